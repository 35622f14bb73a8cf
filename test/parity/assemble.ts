import type { Tensors } from '../reference/layers.js';
import type { PassResult } from './rank.js';

/** Puts the ranks' parts of every tensor together, under the names that a checkpoint uses. */
export function assemble(ranks: readonly PassResult[], what: 'value' | 'gradient'): Tensors {
  const tensors: Tensors = new Map();
  for (const parameter of ranks.flatMap((rank) => rank.parameters)) {
    const { name, shape, slice } = parameter;
    const values = parameter[what];
    if (slice === null) {
      if (tensors.has(name)) throw new Error(`two ranks own ${name}`);
      tensors.set(name, { shape, values: new Float64Array(values) });
      continue;
    }
    const width = slice.shape[1] ?? 1;
    const partWidth = shape[1] ?? 1;
    const size = slice.shape[0] * width;
    const whole = tensors.get(name)?.values ?? new Float64Array(size).fill(Number.NaN);
    for (let row = 0; row < values.length / partWidth; row++) {
      const part = values.subarray(row * partWidth, (row + 1) * partWidth);
      whole.set(part, (slice.row + row) * width + slice.column);
    }
    tensors.set(name, { shape: slice.shape, values: whole });
  }
  return tensors;
}

/** ‖a − b‖ / ‖b‖, or ‖a‖ where b is zero. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
}
