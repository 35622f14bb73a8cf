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
    return (
      { learningRate, gradientScale },
      { value, copy, computedGradient: gradient },
      [velocity],
      slots,
      at,
    ) => {
      settings.learningRate = learningRate;
      settings.gradientScale = gradientScale;
      const kept = velocity?.tensor ?? null;
      engine.sgdStep(value, gradient, kept, copy, settings, slots, at);
    };
  };
}
