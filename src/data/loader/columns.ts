import type { Standardization } from '../standardize.js';

/** A standardized value is (value − shift) · factor. */
export interface Affine {
  readonly shift: Float64Array;
  readonly factor: Float64Array;
}

/** Standardization as a shift and a factor of every feature. */
export function affine(standardization: Standardization | null, features: number): Affine {
  const shift = new Float64Array(features);
  const factor = new Float64Array(features).fill(1);
  if (standardization !== null) {
    shift.set(standardization.mean);
    for (let f = 0; f < features; f++) factor[f] = 1 / (standardization.scale[f] as number);
  }
  return { shift, factor };
}

/** Columns written together: 16 floats are one cache line of the output, and the 16 rows they
 * come from are read in step, one line each. */
const BLOCK = 16;

/** Standardized features of rows. */
export interface GatherSource {
  readonly values: Uint8Array | Float32Array;
  /** Numbers of a row. */
  readonly width: number;
  /** The first that is a feature. Default: 0. */
  readonly first?: number;
  /** Of every feature, see `affine`. */
  readonly affine: Affine;
}

/**
 * out[f, c] = (values[rows[c], first + f] − shift[f]) · factor[f] for every f that `shift` has: gather,
 * convert and transpose in one pass.
 */
export function gatherColumns(
  { values: x, width: stride, first: firstFeature = 0, affine: { shift, factor } }: GatherSource,
  rows: Float64Array,
  out: Float32Array,
): void {
  const columns = rows.length;
  const starts = new Float64Array(BLOCK);
  for (let first = 0; first < columns; first += BLOCK) {
    const width = Math.min(BLOCK, columns - first);
    for (let c = 0; c < width; c++) {
      starts[c] = (rows[first + c] as number) * stride + firstFeature;
    }
    for (let f = 0; f < shift.length; f++) {
      const mean = shift[f] as number;
      const scale = factor[f] as number;
      const at = f * columns + first;
      for (let c = 0; c < width; c++) {
        out[at + c] = ((x[(starts[c] as number) + f] as number) - mean) * scale;
      }
    }
  }
}

/** out[t, c] = values[rows[c], t]. */
export function gatherValues(
  values: Float32Array,
  width: number,
  rows: Float64Array,
  out: Float32Array,
): void {
  const columns = rows.length;
  for (let c = 0; c < columns; c++) {
    const start = (rows[c] as number) * width;
    for (let t = 0; t < width; t++) out[t * columns + c] = values[start + t] as number;
  }
}
