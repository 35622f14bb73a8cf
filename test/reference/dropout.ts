/** Dropout element by element: Philox4x32-10 in whole numbers, as its authors define it. */
const MASK = 0xffffffffn;

/** Four words of 32 bits. */
function philox(counter: readonly number[], key: readonly number[]): number[] {
  let [c0, c1, c2, c3] = counter.map((word) => BigInt(word >>> 0));
  let [k0, k1] = key.map((word) => BigInt(word >>> 0));
  for (let round = 0; round < 10; round++) {
    const [a, b] = [c0 * 0xd2511f53n, c2 * 0xcd9e8d57n];
    [c0, c1, c2, c3] = [(b >> 32n) ^ c1 ^ k0, b & MASK, (a >> 32n) ^ c3 ^ k1, a & MASK];
    [k0, k1] = [(k0 + 0x9e3779b9n) & MASK, (k1 + 0xbb67ae85n) & MASK];
  }
  return [c0, c1, c2, c3].map(Number);
}

export interface ReferenceDropout {
  readonly rate: number;
  readonly key: readonly [number, number];
  readonly step: number;
}

/** What element (row, column) of a layer's activation is multiplied by. */
export function dropoutFactor(
  { rate, key, step }: ReferenceDropout,
  layer: number,
  row: number,
  column: number,
): number {
  const word = philox([column, Math.floor(row / 4), step, layer], key)[row % 4];
  return word < Math.round(rate * 2 ** 32) ? 0 : 1 / (1 - rate);
}
