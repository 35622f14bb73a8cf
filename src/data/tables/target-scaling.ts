import type { Standardization } from '../standardize.js';
import type { TableSchema } from './schema.js';

/** What numbers that are predicted are standardized with: the network gives (y − mean) / scale.
 * null where they are used as they are. */
export function targetScaling(schema: TableSchema | null | undefined): Standardization | null {
  const numbers = schema?.targets.flatMap((target) => (target.kind === 'number' ? [target] : []));
  if (numbers === undefined || numbers.length === 0) return null;
  return {
    mean: Float32Array.from(numbers, ({ mean }) => mean),
    scale: Float32Array.from(numbers, ({ scale }) => scale),
  };
}
