import { type EncodedPrecision, rowBytes } from '../tensor/precision.js';
import { type Dtype, elementBytes } from '../tensor/tensor.js';
import type { BlockLayout } from './block-layout.js';

/** Engines start each tensor at a multiple of this many bytes. */
const ALIGNMENT = 64;

/** Bytes that elements take, by default float32, padding included. */
export function paddedBytes(elements: number, dtype: Dtype = 'float32'): number {
  return Math.ceil((elementBytes(dtype) * elements) / ALIGNMENT) * ALIGNMENT;
}

/** Levels of the tree that sums over so many blocks: each needs a spare buffer. */
export function treeLevels(blocks: number): number {
  return blocks === 1 ? 0 : Math.ceil(Math.log2(blocks));
}

/** What rows of B numbers take encoded, and what an `EncodedReturn` of so many rows a block needs
 * besides the contribution: what is sent and received of it, and partial sums. */
export function encodedMemory(
  precision: EncodedPrecision,
  columns: number,
  { blocks, blocksHere }: BlockLayout,
) {
  const encoded = (rows: number) =>
    paddedBytes(Math.ceil((rows * rowBytes(precision, columns)) / 4));
  const returned = (rows: number) =>
    2 * encoded(blocksHere * blocks * rows) +
    treeLevels(blocks) * paddedBytes(blocksHere * rows * columns);
  return { encoded, returned };
}
