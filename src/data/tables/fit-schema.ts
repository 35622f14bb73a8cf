import { type Standardization, usableScale } from '../standardize.js';
import { numberPlaces } from './encode.js';
import type { RowStore } from './row-store.js';
import { featureCount, type TableSchema } from './schema.js';

/**
 * The schema with medians, means and scales of the training rows; fills the gaps in the stores.
 *
 * @param rates whether targets are scaled by their mean alone, so that none is below 0
 */
export function fitSchema(
  schema: TableSchema,
  training: RowStore,
  others: readonly RowStore[],
  rates = false,
): TableSchema {
  const places = numberPlaces(schema);
  const medians = new Map<number, number>();
  for (const { column, place } of places) {
    if (schema.features[column]?.gaps) medians.set(column, medianOf(training, place));
  }
  const boolean = schema.features.flatMap((column, i) => (column.kind === 'boolean' ? [i] : []));
  if (medians.size > 0 || boolean.length > 0) fillGaps(schema, medians, [training, ...others]);
  const features = schema.features.map((column, i) =>
    column.kind === 'number' ? { ...column, median: medians.get(i) ?? 0 } : column,
  );
  const first = featureCount(schema);
  const targets = schema.targets.map((column, i) =>
    column.kind === 'number' ? { ...column, ...scalingOf(training, first + i, rates) } : column,
  );
  return { ...schema, features, targets };
}

function medianOf(store: RowStore, place: number): number {
  const values: Float32Array = new Float32Array(store.rows);
  let count = 0;
  store.forEachPiece((rows) => {
    for (let i = place; i < rows.length; i += store.width) {
      const value = rows[i] as number;
      if (!Number.isNaN(value)) values[count++] = value;
    }
  });
  const sorted = values.subarray(0, count).toSorted();
  if (count === 0) return 0;
  const upper = sorted[count >> 1] as number;
  return count % 2 === 1 ? upper : ((sorted[(count >> 1) - 1] as number) + upper) / 2;
}

function fillGaps(
  schema: TableSchema,
  medians: ReadonlyMap<number, number>,
  stores: readonly RowStore[],
): void {
  const fill = new Float32Array(featureCount(schema));
  for (const { column, place } of numberPlaces(schema)) fill[place] = medians.get(column) ?? 0;
  for (const store of stores) {
    store.forEachPiece((rows) => {
      let changed = false;
      for (let start = 0; start < rows.length; start += store.width) {
        for (let f = 0; f < fill.length; f++) {
          if (!Number.isNaN(rows[start + f])) continue;
          rows[start + f] = fill[f] as number;
          changed = true;
        }
      }
      return changed;
    });
  }
}

function scalingOf(store: RowStore, place: number, rates: boolean) {
  const { mean, scale } = momentsOf(store, place);
  return rates ? { mean: 0, scale: mean > 0 ? mean : 1 } : { mean, scale };
}

/** Mean and deviation in float64; a constant has scale 1. */
function momentsOf(store: RowStore, place: number): { mean: number; scale: number } {
  let sum = 0;
  store.forEachPiece((rows) => {
    for (let i = place; i < rows.length; i += store.width) sum += rows[i] as number;
  });
  const mean = sum / store.rows;
  let squares = 0;
  store.forEachPiece((rows) => {
    for (let i = place; i < rows.length; i += store.width)
      squares += ((rows[i] as number) - mean) ** 2;
  });
  const scale = Math.sqrt(squares / store.rows);
  return { mean, scale: scale > 0 ? scale : 1 };
}

/** Mean and scale of every feature that is a number, of the training rows; 0 and 1 of the others. */
export function standardizationOf(schema: TableSchema, training: RowStore): Standardization {
  const features = featureCount(schema);
  const mean = new Float64Array(features);
  const squares = new Float64Array(features);
  const places = numberPlaces(schema).map(({ place }) => place);
  const eachRow = (use: (rows: Float32Array, start: number) => void) =>
    training.forEachPiece((rows) => {
      for (let start = 0; start < rows.length; start += training.width) use(rows, start);
    });
  eachRow((rows, start) => {
    for (const f of places) mean[f] = (mean[f] as number) + (rows[start + f] as number);
  });
  for (const f of places) mean[f] = (mean[f] as number) / training.rows;
  eachRow((rows, start) => {
    for (const f of places) {
      squares[f] =
        (squares[f] as number) + ((rows[start + f] as number) - (mean[f] as number)) ** 2;
    }
  });
  const scale = new Float32Array(features).fill(1);
  for (const f of places) scale[f] = usableScale((squares[f] as number) / training.rows, false);
  return { mean: Float32Array.from(mean), scale };
}
