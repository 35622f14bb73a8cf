import type { Parameter } from '../autograd/tape.js';
import type { Engine, Slots, UpdateOperands } from '../engines/engine.js';
import { type OptimizerName, OPTIMIZERS } from './optimizer-list.js';
import type { OptimizerConstants, OptimizerState } from './update.js';

/** An optimizer and its constants. */
export interface OptimizerOptions extends OptimizerConstants {
  readonly name: OptimizerName;
}

/** Updates parameters from their gradients. */
export interface Optimizer {
  readonly state: readonly OptimizerState[];
  /** Σ gradient² of each parameter in the last step, before scaling. */
  readonly squares: Slots;
  /**
   * One step over every parameter.
   *
   * @param step counted from 1 (bias correction)
   * @param gradientScale factor on every gradient (clipping)
   */
  step(step: number, learningRate: number, gradientScale: number): void;
}

/** An optimizer of the list `OPTIMIZERS` for these parameters, whose state starts at zero. */
export function createOptimizer(
  options: OptimizerOptions,
  engine: Engine,
  parameters: readonly Parameter[],
): Optimizer {
  const { states: names, create } = OPTIMIZERS[options.name];
  const held = parameters.map((parameter) => ({
    parameter,
    states: names.map((name) => ({
      name: `${parameter.name}.${name}`,
      parameter,
      tensor: engine.allocate(parameter.value.shape),
    })),
  }));
  const squares = engine.slots(parameters.length);
  const update = create(options, engine);
  const now = { step: 0, learningRate: 0, gradientScale: 1 };
  // Gradients get their place in the first backward pass, or in one bucket for several.
  let tensors: readonly UpdateOperands[] = [];
  const isCurrent = () =>
    tensors.length > 0 &&
    tensors.every(({ gradient }, i) => gradient === held[i]?.parameter.computedGradient);
  return {
    state: held.flatMap(({ states }) => states),
    squares,
    step(step, learningRate, gradientScale) {
      now.step = step;
      now.learningRate = learningRate;
      now.gradientScale = gradientScale;
      if (!isCurrent()) {
        tensors = held.map(({ parameter, states }) => ({
          weights: parameter.value,
          gradient: parameter.computedGradient,
          states: states.map(({ tensor }) => tensor),
          copy: parameter.copy,
        }));
      }
      update(now, tensors, squares);
    },
  };
}
