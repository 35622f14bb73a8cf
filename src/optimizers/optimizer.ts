import type { Parameter } from '../autograd/tape.js';
import type { AdamStep, Engine, SgdStep } from '../engines/engine.js';
import type { Tensor } from '../tensor/tensor.js';

export type OptimizerName = 'sgd' | 'momentum' | 'adam' | 'adamw';

export interface OptimizerOptions {
  readonly name: OptimizerName;
  readonly weightDecay: number;
  /** Of `momentum`, which is Nesterov's form. */
  readonly momentum: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** A tensor that an optimiser keeps for a parameter, under the name that a checkpoint gives it. */
export interface OptimizerState {
  readonly name: string;
  readonly parameter: Parameter;
  readonly tensor: Tensor;
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

/** Tensors an optimiser keeps for each parameter, by the names in checkpoints. */
export function stateNames(name: OptimizerName): readonly string[] {
  if (name === 'sgd') return [];
  return name === 'momentum' ? ['velocity'] : ['first_moment', 'second_moment'];
}

/**
 * `sgd`: w −= lr · g. `momentum`: v = μv + g, w −= lr · (g + μv). `adam`: arXiv:1412.6980.
 * `adamw`: arXiv:1711.05101. Weight decay is added to the gradient (g + λw), but for `adamw`, which
 * takes lr · λ · w off the weights. The definitions are those of PyTorch's optimisers.
 */
export function createOptimizer(
  options: OptimizerOptions,
  engine: Engine,
  parameters: readonly Parameter[],
): Optimizer {
  const slots = parameters.map((parameter) => ({
    parameter,
    states: stateNames(options.name).map((name) => ({
      name: `${parameter.name}.${name}`,
      parameter,
      tensor: engine.allocate(parameter.value.shape),
    })),
  }));
  const state = slots.flatMap((slot) => slot.states);
  const update = options.name.startsWith('adam') ? adam(options, engine) : sgd(options, engine);
  return {
    state,
    step(step, learningRate, gradientScale, squares) {
      for (const [i, { parameter, states }] of slots.entries()) {
        squares[i] = update(step, learningRate, gradientScale, parameter, states);
      }
    },
  };
}

type Update = (
  step: number,
  learningRate: number,
  gradientScale: number,
  parameter: Parameter,
  states: readonly OptimizerState[],
) => number;

function sgd(options: OptimizerOptions, engine: Engine): Update {
  const nesterov = options.name === 'momentum';
  const settings: { -readonly [K in keyof SgdStep]: SgdStep[K] } = {
    learningRate: 0,
    momentum: nesterov ? options.momentum : 0,
    nesterov,
    weightDecay: options.weightDecay,
    gradientScale: 1,
  };
  return (_, learningRate, gradientScale, { value, computedGradient: gradient }, [velocity]) => {
    settings.learningRate = learningRate;
    settings.gradientScale = gradientScale;
    return engine.sgdStep(value, gradient, velocity?.tensor ?? null, settings);
  };
}

function adam(options: OptimizerOptions, engine: Engine): Update {
  const { beta1, beta2, epsilon, weightDecay } = options;
  const settings: { -readonly [K in keyof AdamStep]: AdamStep[K] } = {
    learningRate: 0,
    beta1,
    beta2,
    epsilon,
    weightDecay,
    decoupled: options.name === 'adamw',
    biasCorrection1: 1,
    biasCorrection2: 1,
    gradientScale: 1,
  };
  return (
    step,
    learningRate,
    gradientScale,
    { value, computedGradient: gradient },
    [first, second],
  ) => {
    settings.learningRate = learningRate;
    settings.gradientScale = gradientScale;
    settings.biasCorrection1 = 1 - beta1 ** step;
    settings.biasCorrection2 = 1 - beta2 ** step;
    if (!first || !second) throw new TypeError('adam keeps two moments');
    return engine.adamStep(value, gradient, first.tensor, second.tensor, settings);
  };
}
