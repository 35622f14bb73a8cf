/**
 * How ghosts are written while they travel.
 *
 * | precision | a row of B numbers | bytes |
 * |---|---|---|
 * | `float32` | as they are | 4B |
 * | `bfloat16` | the upper half of each float32, rounded to nearest, ties to even | 2B |
 * | `int8` | a float32 scale s, then round(x / s) in −127 … 127, with s = max |x| / 127 | 4 + B |
 */
export const GHOST_PRECISIONS = ['float32', 'bfloat16', 'int8'] as const;
/** How ghosts travel between ranks. */
export type GhostPrecision = (typeof GHOST_PRECISIONS)[number];

/** What is not sent as it is. */
export type EncodedPrecision = Exclude<GhostPrecision, 'float32'>;

/** Bytes of one row of `columns` numbers. */
export function rowBytes(precision: GhostPrecision, columns: number): number {
  return { float32: 4 * columns, bfloat16: 2 * columns, int8: 4 + columns }[precision];
}
