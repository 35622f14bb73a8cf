/** Engines start each tensor at a multiple of this many bytes. */
const ALIGNMENT = 64;

/** Bytes that float32 elements take, padding included. */
export function paddedBytes(elements: number): number {
  return Math.ceil((4 * elements) / ALIGNMENT) * ALIGNMENT;
}

/** Levels of the tree that sums over so many blocks: each needs a spare buffer. */
export function treeLevels(blocks: number): number {
  return blocks === 1 ? 0 : Math.ceil(Math.log2(blocks));
}
