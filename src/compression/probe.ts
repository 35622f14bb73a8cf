import {
  isOfClasses,
  type LossName,
  type LossOptions,
  outputsPerTarget,
} from '../layers/loss-names.js';
import { elementLossOf } from '../layers/losses.js';
import type { Activation } from '../engines/activations.js';
import type { HostEngine } from '../engines/host-engine.js';
import { Scratch } from '../engines/scratch.js';
import type { DenseLayer } from '../models/dense-network.js';
import { asMatrix, type HostTensor, tensorRows } from '../tensor/tensor.js';
import { Between, type BetweenOptions } from './between.js';

/** Rows that a network is compared on, as it sees them. */
export interface ProbeData {
  /** [features, rows], standardized. */
  readonly x: Float32Array;
  /** Labels [rows], or targets [outputs, rows]. */
  readonly y: Float32Array;
  readonly rows: number;
}

/** What a network makes of the rows. */
export interface ProbeResult {
  readonly loss: number;
  /** null: not classes */
  readonly accuracy: number | null;
}

/** A network before and after compression. */
export interface ProbeReport {
  readonly rows: number;
  /** ‖ŷ − y‖ / ‖y‖ over all outputs, before any softmax. */
  readonly outputError: number;
  readonly before: ProbeResult;
  readonly after: ProbeResult;
}

/** What a layer is. */
export interface DenseForm {
  readonly weight: HostTensor;
  readonly bias: Float32Array;
  readonly activation: Activation;
}

/** What a layer becomes. */
export interface CompressedForm {
  /** Turns its weights into their difference from what it multiplies by afterwards. */
  readonly subtract: () => void;
  readonly bias: Float32Array;
}

/** Takes rows through a dense network and its phantom form side by side, layer by layer, so that
 * no more than one layer is in memory. */
export class Probe {
  readonly #engine: HostEngine;
  readonly #scratch: Scratch;
  readonly #data: ProbeData;
  readonly #spare: HostTensor[] = [];
  /** Of the dense network, and of its phantom form. */
  readonly #between: readonly [Between, Between];
  #dense: HostTensor;
  #phantom: HostTensor;
  /** The memory that they are the first rows of. */
  #wholeDense: HostTensor;
  #wholePhantom: HostTensor;

  constructor(engine: HostEngine, data: ProbeData, between: BetweenOptions) {
    this.#engine = engine;
    this.#scratch = new Scratch(engine);
    this.#data = data;
    this.#between = [new Between(engine, between), new Between(engine, between)];
    const x = engine.allocate([data.x.length / data.rows, data.rows]);
    x.data.set(data.x);
    this.#dense = x;
    this.#phantom = x;
    this.#wholeDense = x;
    this.#wholePhantom = x;
  }

  /**
   * @param form what the layer is before compression
   * @param compressed null: the layer stays as it is
   */
  layer(
    layer: DenseLayer,
    { weight, bias, activation }: DenseForm,
    compressed: CompressedForm | null,
  ): void {
    const [ofDense, ofPhantom] = this.#between;
    const same = this.#phantom === this.#dense && compressed === null;
    const denseInput = ofDense.enter(layer, this.#dense);
    const phantomInput = ofPhantom.enter(layer, this.#phantom);
    const dense = this.#product(weight, denseInput);
    const phantom = same ? dense : this.#product(weight, phantomInput);
    if (compressed !== null) {
      compressed.subtract();
      const [difference, x, z] = [weight, phantomInput, phantom].map(asMatrix);
      if (difference && x && z) this.#engine.gemm(false, false, -1, difference, x, 1, z);
    }
    const b = this.#scratch.tensor('bias', [bias.length]);
    b.data.set(bias);
    this.#engine.biasActivation('identity', dense, b, dense);
    b.data.set(compressed?.bias ?? bias);
    if (!same) this.#engine.biasActivation('identity', phantom, b, phantom);
    this.#spare.push(this.#wholeDense);
    if (this.#wholePhantom !== this.#wholeDense) this.#spare.push(this.#wholePhantom);
    this.#wholeDense = dense;
    this.#wholePhantom = phantom;
    this.#dense = ofDense.leave(layer, dense, activation);
    this.#phantom = same ? this.#dense : ofPhantom.leave(layer, phantom, activation);
  }

  report(loss: LossName, options: LossOptions): ProbeReport {
    let error = 0;
    let size = 0;
    for (const [i, value] of this.#dense.data.entries()) {
      error += ((this.#phantom.data[i] as number) - value) ** 2;
      size += value ** 2;
    }
    return {
      rows: this.#data.rows,
      outputError: Math.sqrt(error / size),
      before: this.#judge(this.#dense, loss, options),
      after: this.#judge(this.#phantom, loss, options),
    };
  }

  #judge(output: HostTensor, loss: LossName, options: LossOptions): ProbeResult {
    const { rows } = this.#data;
    const engine = this.#engine;
    const gradient = engine.allocate(output.shape);
    const answers = engine.allocate([this.#data.y.length / rows, rows]);
    answers.data.set(this.#data.y);
    if (isOfClasses(loss)) {
      const slots = engine.slots(2);
      const { labelSmoothing: smoothing } = options;
      engine.softmaxCrossEntropy(output, answers, null, smoothing, gradient, 1, rows, slots, 0);
      const [lossSum = 0, correct = 0] = engine.read(slots);
      return { loss: lossSum / rows, accuracy: correct / rows };
    }
    const each = outputsPerTarget(loss, options);
    const slots = engine.slots(output.length / rows);
    for (let row = 0; row < output.data.length / rows; row++) {
      const [z, y] = [tensorRows(output, row, 1), tensorRows(answers, Math.floor(row / each), 1)];
      const dz = tensorRows(gradient, row, 1);
      const of = elementLossOf(loss, options, row);
      engine.elementLoss(of, z, y, null, dz, 1, rows, slots, row);
    }
    const sum = engine.read(slots).reduce((total, one) => total + one, 0);
    return { loss: sum / output.data.length, accuracy: null };
  }

  /** Into memory of an activation that is not needed any more, where there is some of that size. */
  #product(weight: HostTensor, x: HostTensor): HostTensor {
    const rows = weight.shape[0] as number;
    const at = this.#spare.findIndex(({ shape }) => shape[0] === rows);
    const z =
      this.#spare.splice(at, at < 0 ? 0 : 1)[0] ?? this.#engine.allocate([rows, this.#data.rows]);
    this.#engine.gemm(false, false, 1, asMatrix(weight), asMatrix(x), 0, asMatrix(z));
    return z;
  }
}
