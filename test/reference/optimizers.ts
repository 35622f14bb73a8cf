/** Optimizers in float64, from their papers' and PyTorch's published definitions. */
import type { Tensors } from './layers.js';

export interface ReferenceOptimizer {
  readonly name: string;
  readonly momentum: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

export function referenceOptimizer(options: ReferenceOptimizer) {
  const first = new Map<string, Float64Array>();
  const second = new Map<string, Float64Array>();
  const state = (map: Map<string, Float64Array>, name: string, length: number) => {
    const found = map.get(name) ?? new Float64Array(length);
    map.set(name, found);
    return found;
  };
  let step = 0;
  return (tensors: Tensors, gradients: ReadonlyMap<string, Float64Array>, rate: number) => {
    step++;
    for (const [name, gradient] of gradients) {
      const w = tensors.get(name)?.values;
      if (w === undefined) throw new Error(`no tensor ${name}`);
      const m = state(first, name, w.length);
      const v = state(second, name, w.length);
      for (let i = 0; i < w.length; i++) {
        const wi = w[i];
        const decoupled = options.name === 'adamw';
        const g = gradient[i] + (decoupled ? 0 : options.weightDecay * wi);
        const start = decoupled ? wi * (1 - rate * options.weightDecay) : wi;
        if (options.name === 'sgd') {
          w[i] = start - rate * g;
        } else if (options.name === 'momentum') {
          const velocity = options.momentum * m[i] + g;
          m[i] = velocity;
          w[i] = start - rate * (g + options.momentum * velocity);
        } else {
          const firstMoment = options.beta1 * m[i] + (1 - options.beta1) * g;
          const secondMoment = options.beta2 * v[i] + (1 - options.beta2) * g * g;
          m[i] = firstMoment;
          v[i] = secondMoment;
          const mean = firstMoment / (1 - options.beta1 ** step);
          const square = secondMoment / (1 - options.beta2 ** step);
          w[i] = start - (rate * mean) / (Math.sqrt(square) + options.epsilon);
        }
      }
    }
  };
}
