import type { Dtype } from '../tensor/tensor.js';
import type { Engine, HalfProducts } from './engine.js';

/** What becomes of products of bfloat16 matrices, in words. */
export const HALF_PRODUCTS: Readonly<Record<HalfProducts, string>> = {
  native: 'bfloat16 products in the processor',
  emulated: 'bfloat16 products emulated, as this processor has none: no faster than float32',
  widened: 'bfloat16 products widened to float32 on the way: no faster than float32',
};

/** One line for people: the engine, and what it does with `compute`. */
export function describeEngine(
  { description, halfProducts }: Pick<Engine, 'description' | 'halfProducts'>,
  compute: Dtype,
): string {
  return compute === 'float32' ? description : `${description}, ${HALF_PRODUCTS[halfProducts]}`;
}
