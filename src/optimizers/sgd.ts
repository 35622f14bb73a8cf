import type { SgdStep } from '../engines/engine.js';
import type { OptimizerDescription } from './update.js';

/** @param nesterov with momentum, in Nesterov's form */
export function sgd(nesterov: boolean): OptimizerDescription['create'] {
  return ({ momentum, weightDecay }, engine) => {
    const settings: { -readonly [K in keyof SgdStep]: SgdStep[K] } = {
      learningRate: 0,
      momentum: nesterov ? momentum : 0,
      nesterov,
      weightDecay,
      gradientScale: 1,
    };
    return ({ learningRate, gradientScale }, tensors, slots) => {
      settings.learningRate = learningRate;
      settings.gradientScale = gradientScale;
      engine.sgdStep(tensors, settings, slots, 0);
    };
  };
}
