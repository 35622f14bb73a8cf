import { type Standardization, usableScale } from '../standardize.js';
import { numberPlaces } from './encode.js';
import { mediansOf } from './order-statistics.js';
import type { RowStore } from './row-store.js';
import { featureCount, type TableSchema } from './schema.js';

/** A schema with what was found in the training rows. */
export interface FittedSchema {
  readonly schema: TableSchema;
  readonly standardization: Standardization;
}

/**
 * Finds medians, means and scales of the training rows; fills the gaps in the stores.
 *
 * @param rates whether targets are scaled by their mean alone, so that none is below 0
 */
export function fitSchema(
  schema: TableSchema,
  training: RowStore,
  others: readonly RowStore[],
  rates = false,
): FittedSchema {
  const numbers = numberPlaces(schema);
  const gapped = numbers.filter(({ column }) => schema.features[column]?.gaps);
  const gaps = gapped.map(({ place }) => place);
  const medians = mediansOf(training, gaps);
  if (gaps.length > 0) for (const store of [training, ...others]) fillGaps(store, gaps, medians);
  const features = schema.features.map((column, i) => {
    if (column.kind !== 'number') return column;
    return { ...column, median: medians[gapped.findIndex(({ column: own }) => own === i)] ?? 0 };
  });
  const first = featureCount(schema);
  const places = numbers.map(({ place }) => place);
  const moments = momentsOf(training, [...places, ...schema.targets.map((_, i) => first + i)]);
  const targets = schema.targets.map((column, i) =>
    column.kind === 'number'
      ? { ...column, ...scalingOf(moments[places.length + i] as Moments, rates) }
      : column,
  );
  return {
    schema: { ...schema, features, targets },
    standardization: standardizationFrom(first, places, moments),
  };
}

/** Mean and scale of every feature that is a number, of the training rows; 0 and 1 of the others. */
export function standardizationOf(schema: TableSchema, training: RowStore): Standardization {
  const places = numberPlaces(schema).map(({ place }) => place);
  return standardizationFrom(featureCount(schema), places, momentsOf(training, places));
}

function fillGaps(store: RowStore, places: readonly number[], values: readonly number[]): void {
  store.forEachPiece((rows) => {
    let changed = false;
    for (const [column, place] of places.entries()) {
      for (let i = place; i < rows.length; i += store.width) {
        if (!Number.isNaN(rows[i])) continue;
        rows[i] = values[column] as number;
        changed = true;
      }
    }
    return changed;
  });
}

interface Moments {
  readonly mean: number;
  readonly variance: number;
}

/** Of columns by their place in a row, in float64. A second pass over the deviations, since
 * Σx² − n·mean² loses all digits of a small variance. */
function momentsOf(store: RowStore, places: readonly number[]): Moments[] {
  const { rows: count, width } = store;
  const means = new Float64Array(places.length);
  const squares = new Float64Array(places.length);
  store.forEachPiece((rows) => {
    for (const [column, place] of places.entries()) {
      let sum = means[column] as number;
      for (let i = place; i < rows.length; i += width) sum += rows[i] as number;
      means[column] = sum;
    }
  });
  for (let column = 0; column < places.length; column++) {
    means[column] = (means[column] as number) / count;
  }
  store.forEachPiece((rows) => {
    for (const [column, place] of places.entries()) {
      const mean = means[column] as number;
      let sum = squares[column] as number;
      for (let i = place; i < rows.length; i += width) sum += ((rows[i] as number) - mean) ** 2;
      squares[column] = sum;
    }
  });
  return places.map((_, column) => ({
    mean: means[column] as number,
    variance: (squares[column] as number) / count,
  }));
}

function scalingOf({ mean, variance }: Moments, rates: boolean): { mean: number; scale: number } {
  if (rates) return { mean: 0, scale: mean > 0 ? mean : 1 };
  const scale = Math.sqrt(variance);
  return { mean, scale: scale > 0 ? scale : 1 };
}

function standardizationFrom(
  features: number,
  places: readonly number[],
  moments: readonly Moments[],
): Standardization {
  const mean = new Float32Array(features);
  const scale = new Float32Array(features).fill(1);
  for (const [i, place] of places.entries()) {
    const own = moments[i] as Moments;
    mean[place] = own.mean;
    scale[place] = usableScale(own.variance, false);
  }
  return { mean, scale };
}
