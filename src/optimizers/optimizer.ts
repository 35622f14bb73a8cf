import type { Parameter } from '../autograd/tape.js';
import type { Engine } from '../engines/engine.js';
import { type OptimizerName, OPTIMIZERS } from './optimizer-list.js';
import type { OptimizerConstants, OptimizerState } from './update.js';

/** An optimizer and its constants. */
export interface OptimizerOptions extends OptimizerConstants {
  readonly name: OptimizerName;
}

/** Updates parameters from their gradients. */
export interface Optimizer {
  readonly state: readonly OptimizerState[];
  /**
   * One step over every parameter.
   *
   * @param step counted from 1 (bias correction)
   * @param gradientScale factor on every gradient (clipping)
   * @param squares receives Σ gradient² of each parameter, before scaling
   */
  step(step: number, learningRate: number, gradientScale: number, squares: Float64Array): void;
}

/** An optimizer of the list `OPTIMIZERS` for these parameters, whose state starts at zero. */
export function createOptimizer(
  options: OptimizerOptions,
  engine: Engine,
  parameters: readonly Parameter[],
): Optimizer {
  const { states: names, create } = OPTIMIZERS[options.name];
  const slots = parameters.map((parameter) => ({
    parameter,
    states: names.map((name) => ({
      name: `${parameter.name}.${name}`,
      parameter,
      tensor: engine.allocate(parameter.value.shape),
    })),
  }));
  const update = create(options, engine);
  const now = { step: 0, learningRate: 0, gradientScale: 1 };
  return {
    state: slots.flatMap((slot) => slot.states),
    step(step, learningRate, gradientScale, squares) {
      now.step = step;
      now.learningRate = learningRate;
      now.gradientScale = gradientScale;
      for (const [i, { parameter, states }] of slots.entries()) {
        squares[i] = update(now, parameter, states);
      }
    },
  };
}
