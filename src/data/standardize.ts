import { DataError } from '../base/errors.js';
import type { Dataset, TableDataset } from './dataset.js';

/**
 * Shift and scale of every feature: a network sees (x − mean) / scale. Both are [features], and
 * finite; scale is > 0. Plain data, kept with a run so that inference does the same.
 */
export interface Standardization {
  readonly mean: Float32Array;
  readonly scale: Float32Array;
}

/** As it stands in JSON. */
export interface RecordedStandardization {
  readonly mean: readonly number[];
  readonly scale: readonly number[];
}

/** A standardization from JSON. */
export function standardizationFrom(
  recorded: RecordedStandardization | null,
): Standardization | null {
  return (
    recorded && {
      mean: Float32Array.from(recorded.mean),
      scale: Float32Array.from(recorded.scale),
    }
  );
}

/** A standardization for JSON. */
export function recordStandardization(
  standardization: Standardization | null,
): RecordedStandardization | null {
  return (
    standardization && {
      mean: [...standardization.mean],
      scale: [...standardization.scale],
    }
  );
}

/** Whether a value from JSON is null or a standardization of so many features. */
export function isStandardizationOf(value: unknown, features: number): boolean {
  if (value === null) return true;
  const { mean, scale } = (value ?? {}) as Partial<RecordedStandardization>;
  return [mean, scale].every(
    (list) => Array.isArray(list) && list.length === features && list.every(Number.isFinite),
  );
}

/** `auto` standardizes tables and images and leaves the numbers of other files as they are. */
export const STANDARDIZE_MODES = ['auto', 'on', 'off'] as const;
/** Whether features are standardized; `auto`: images only. */
export type StandardizeMode = (typeof STANDARDIZE_MODES)[number];

/**
 * Fits mean and standard deviation, in float64, to the training part alone.
 *
 * Images get one mean and scale over all pixels: a scale per pixel would blow up the noise of
 * border pixels that are almost always black. Other data gets one of each per feature; a constant
 * feature keeps scale 1 and becomes zero.
 *
 * @returns null when nothing is to be done.
 * @throws DataError when a stream that does not end should be standardized.
 */
export function fitStandardization(
  training: Dataset,
  mode: StandardizeMode,
): Standardization | null {
  if (mode === 'off') return null;
  if (training.kind === 'records') return training.standardization;
  if (mode === 'auto' && !training.imageLike) return null;
  if (training.kind !== 'table') {
    throw new DataError(
      'standardize',
      `${training.name} is generated with mean 0 and variance 1; standardize off or auto`,
    );
  }
  return training.imageLike ? fitGlobal(training) : fitPerFeature(training);
}

/**
 * Standardizes `values` in place.
 *
 * @param values [rows, features] row-major, or [features, columns] with `featureMajor`.
 */
export function applyStandardization(
  { mean, scale }: Standardization,
  values: Float32Array,
  featureMajor = false,
): void {
  const features = mean.length;
  const columns = featureMajor ? values.length / features : 1;
  for (let i = 0; i < values.length; i++) {
    const feature = Math.floor(i / columns) % features;
    const factor = 1 / (scale[feature] as number);
    values[i] = ((values[i] as number) - (mean[feature] as number)) * factor;
  }
}

function fitGlobal({ x, features }: TableDataset): Standardization {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] as number;
  const mean = sum / x.length;
  let squares = 0;
  let constant = true;
  for (let i = 0; i < x.length; i++) {
    const deviation = (x[i] as number) - mean;
    squares += deviation * deviation;
    if (x[i] !== x[0]) constant = false;
  }
  const scale = usableScale(squares / x.length, constant);
  return {
    mean: new Float32Array(features).fill(mean),
    scale: new Float32Array(features).fill(scale),
  };
}

function fitPerFeature({ x, rows, features }: TableDataset): Standardization {
  const mean = new Float64Array(features);
  const squares = new Float64Array(features);
  const constant = new Uint8Array(features).fill(1);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let f = 0; f < features; f++, i++) mean[f] = (mean[f] as number) + (x[i] as number);
  }
  for (let f = 0; f < features; f++) mean[f] = (mean[f] as number) / rows;
  // A second pass over the deviations: Σx² − n·mean² loses all digits of a small variance.
  for (let row = 0, i = 0; row < rows; row++) {
    for (let f = 0; f < features; f++, i++) {
      const deviation = (x[i] as number) - (mean[f] as number);
      squares[f] = (squares[f] as number) + deviation * deviation;
      if (x[i] !== x[f]) constant[f] = 0;
    }
  }
  return {
    mean: Float32Array.from(mean),
    scale: Float32Array.from(squares, (sum, f) => usableScale(sum / rows, constant[f] === 1)),
  };
}

/** Constants are recognized by their values: their computed variance is rounding, not zero. */
export function usableScale(variance: number, constant: boolean): number {
  const deviation = Math.fround(Math.sqrt(variance));
  // Below the smallest normal float32 a reciprocal is infinite or has few digits.
  return !constant && deviation >= 2 ** -126 ? deviation : 1;
}
