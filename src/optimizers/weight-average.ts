import type { Parameter } from '../autograd/tape.js';
import type { Engine, SgdStep, Slots, UpdateOperands } from '../engines/engine.js';
import { tensorPart } from '../tensor/tensor.js';
import type { OptimizerState } from './update.js';

/** The pass that it takes, for plans. */
export const AVERAGE_KERNEL = 'sgd';
/** Arithmetic operations on one element: a + (1 − d) · (w − a). */
export const AVERAGE_FLOPS = 3;

/** Numbers that are exchanged at a time. */
const PIECE = 1 << 14;

/**
 * A moving average of weights: a ← a + (1 − d) · (w − a) after each step, where d is the decay, and
 * in the first steps (1 + t) / (10 + t) where that is less, so that short runs are not dominated by
 * the first weights (t counts steps from 0). It starts as a copy of the weights. Each rank averages
 * its own, in one pass: that of `sgd`, which takes the weights for a gradient.
 *
 * What is kept: one float32 tensor for each parameter.
 */
export class WeightAverage {
  /** Under the names of the parameters. */
  readonly state: readonly OptimizerState[];
  readonly #engine: Engine;
  readonly #decay: number;
  readonly #settings: { -readonly [K in keyof SgdStep]: SgdStep[K] } = {
    learningRate: 0,
    momentum: 0,
    nesterov: false,
    weightDecay: 1,
    gradientScale: -1,
  };
  readonly #tensors: readonly UpdateOperands[];
  /** What the pass sums, which nobody needs. */
  readonly #squares: Slots;
  readonly #piece = new Float32Array(PIECE);

  constructor(engine: Engine, parameters: readonly Parameter[], decay: number) {
    this.#engine = engine;
    this.#decay = decay;
    this.#squares = engine.slots(parameters.length);
    this.state = parameters.map((parameter) => ({
      name: parameter.name,
      parameter,
      tensor: engine.allocate(parameter.value.shape),
    }));
    this.#tensors = this.state.map(({ parameter, tensor }) => ({
      weights: tensor,
      gradient: parameter.value,
      states: [],
      copy: null,
    }));
  }

  /** Forgets what was, and begins with the weights as they are. */
  begin(): void {
    for (const { parameter, tensor } of this.state) this.#engine.copy(parameter.value, tensor);
  }

  /** @param step steps done before the one that gave these weights */
  update(step: number): void {
    this.#settings.learningRate = 1 - Math.min(this.#decay, (1 + step) / (10 + step));
    this.#engine.sgdStep(this.#tensors, this.#settings, this.#squares, 0);
  }

  /** Does work with the average in place of the weights, which come back bit by bit. */
  use<T>(work: () => T): T {
    this.#exchange();
    try {
      return work();
    } finally {
      this.#exchange();
    }
  }

  #exchange(): void {
    for (const { parameter, tensor } of this.state) {
      for (let from = 0; from < tensor.length; from += PIECE) {
        const count = Math.min(PIECE, tensor.length - from);
        const a = tensorPart(parameter.value, from, [count]);
        const b = tensorPart(tensor, from, [count]);
        const piece = this.#engine.toHost(a, this.#piece.subarray(0, count));
        this.#engine.copy(b, a);
        this.#engine.toDevice(piece, b);
      }
      parameter.rounded();
    }
  }
}
