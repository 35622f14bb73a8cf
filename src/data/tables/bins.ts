import { numberPlaces } from './encode.js';
import type { RowStore } from './row-store.js';
import { binsOf, type FeatureColumn, type TableSchema } from './schema.js';

/**
 * The schema with bins for its numbers: between quantiles of the training rows with a value, as many as
 * wanted, or fewer where quantiles are equal. A number with one bin stays as it is.
 *
 * Source: arXiv:2203.05556, piecewise linear encoding.
 *
 * @param training rows of the schema without bins; the values of a column are in memory at a time
 */
export function withBins(schema: TableSchema, training: RowStore, most: number): TableSchema {
  const places = new Map(numberPlaces(schema).map(({ column, place }) => [column, place]));
  const features = schema.features.map((column, i): FeatureColumn => {
    const place = places.get(i);
    if (column.kind !== 'number' || place === undefined) return column;
    const edges = quantiles(sortedValues(training, place, column.gaps), most);
    return edges.length < 3 ? column : { ...column, edges };
  });
  const isWider = features.some((column) => binsOf(column) !== null);
  return { ...schema, version: isWider ? 2 : schema.version, features };
}

/** The least value, those that split the others into `parts` equal parts, and the largest; each once. */
function quantiles(sorted: Float32Array, parts: number): number[] {
  if (sorted.length === 0) return [];
  const all = Array.from(
    { length: parts + 1 },
    (_, i) => sorted[Math.round((i * (sorted.length - 1)) / parts)] as number,
  );
  return [...new Set(all)];
}

/** @param gaps whether the feature behind it is 1 in rows without a value */
function sortedValues(store: RowStore, place: number, gaps: boolean): Float32Array {
  const values = new Float32Array(store.rows);
  let count = 0;
  store.forEachPiece((rows) => {
    for (let i = place; i < rows.length; i += store.width) {
      if (gaps && rows[i + 1] === 1) continue;
      values[count++] = rows[i] as number;
    }
  });
  return values.subarray(0, count).toSorted();
}
