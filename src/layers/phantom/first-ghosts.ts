/** Ghosts of a network, K', and of the one whose checkpoint it is read from, K ≥ K'; by layer where
 * layers differ: those that have fewer than K' keep theirs. */
export interface NestedLoad {
  readonly ghosts: number;
  readonly trained: number | readonly number[];
}

/** Where the first ghosts of a trained tensor lie: the first `kept` of every `of` elements. */
export interface FirstGhosts {
  /** Of the trained tensor. */
  readonly shape: readonly number[];
  readonly kept: number;
  readonly of: number;
}

/**
 * What of a trained tensor a network with fewer ghosts needs: the first K' rows of a compressor
 * [K, M], and the first K' of the K columns that a decompressor [M, (P−1)·K] has for each block.
 *
 * @param name as in a checkpoint
 * @param shape with K' ghosts
 * @returns null for tensors that do not depend on ghosts
 */
export function firstGhosts(
  name: string,
  [rows = 1, columns = 1]: readonly number[],
  { ghosts, trained }: NestedLoad,
): FirstGhosts | null {
  const [, layer, what] = /\.(\d+)\.(compressor|decompressor)\.\d+$/.exec(name) ?? [];
  if (what === undefined) return null;
  const of = typeof trained === 'number' ? trained : (trained[Number(layer)] ?? 0);
  const kept = Math.min(ghosts, of);
  return what === 'compressor'
    ? { shape: [of, columns], kept: kept * columns, of: of * columns }
    : { shape: [rows, (columns / kept) * of], kept, of };
}

/** Copies them. */
export function copyFirst({ kept, of }: FirstGhosts, whole: Float32Array, to: Float32Array): void {
  for (let from = 0, at = 0; from < whole.length; from += of, at += kept) {
    to.set(whole.subarray(from, from + kept), at);
  }
}
