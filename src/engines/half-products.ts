import { formatRatio } from '../base/format.js';
import type { Compute } from './compute.js';
import type { Engine, HalfProducts } from './engine.js';

/** What becomes of products of bfloat16 matrices, in words. */
export const HALF_PRODUCTS: Readonly<Record<HalfProducts, string>> = {
  native: 'bfloat16 products in hardware, faster than float32',
  emulated: 'bfloat16 products emulated, as this processor has none: no faster than float32',
  widened: 'bfloat16 products widened to float32 on the way: no faster than float32',
};

/** One line for people: the engine, and what it does with `compute`. @param ratio of the rate of
 * bfloat16 products to that of float32 ones, where it was measured */
export function describeEngine(
  { description, halfProducts }: Pick<Engine, 'description' | 'halfProducts'>,
  compute: Compute,
  ratio: number | null = null,
): string {
  if (compute === 'float32') return description;
  if (compute === 'tf32') return `${description}, products in TF32`;
  const measured = ratio === null ? '' : ` (measured: ${formatRatio(ratio)} its rate)`;
  return `${description}, ${HALF_PRODUCTS[halfProducts]}${measured}`;
}
