import type { AdamStep } from '../engines/engine.js';
import type { OptimizerDescription } from './update.js';

/** @param decoupled weight decay is taken off the weights, as in AdamW */
export function adam(decoupled: boolean): OptimizerDescription['create'] {
  return ({ beta1, beta2, epsilon, weightDecay }, engine) => {
    const settings: { -readonly [K in keyof AdamStep]: AdamStep[K] } = {
      learningRate: 0,
      beta1,
      beta2,
      epsilon,
      weightDecay,
      decoupled,
      biasCorrection1: 1,
      biasCorrection2: 1,
      gradientScale: 1,
    };
    return ({ step, learningRate, gradientScale }, tensors, slots) => {
      settings.learningRate = learningRate;
      settings.gradientScale = gradientScale;
      settings.biasCorrection1 = 1 - beta1 ** step;
      settings.biasCorrection2 = 1 - beta2 ** step;
      engine.adamStep(tensors, settings, slots, 0);
    };
  };
}
