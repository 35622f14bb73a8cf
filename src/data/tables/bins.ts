import { numberPlaces } from './encode.js';
import { orderStatistics } from './order-statistics.js';
import type { RowStore } from './row-store.js';
import { binsOf, type FeatureColumn, type TableSchema } from './schema.js';

/**
 * The schema with bins for its numbers: between quantiles of the training rows with a value, as many as
 * wanted, or fewer where quantiles are equal. A number with one bin stays as it is.
 *
 * Source: arXiv:2203.05556, piecewise linear encoding.
 *
 * @param training rows of the schema without bins
 */
export function withBins(schema: TableSchema, training: RowStore, most: number): TableSchema {
  const places = numberPlaces(schema).map(({ column, place }) => {
    const feature = schema.features[column];
    return { column, place, gaps: feature?.kind === 'number' && feature.gaps };
  });
  const ranks = (count: number) => quantileRanks(count, most);
  const values = orderStatistics(training, places, most + 1, ranks);
  const edgesOf = new Map(places.map(({ column }, i) => [column, [...new Set(values[i])]]));
  const features = schema.features.map((column, i): FeatureColumn => {
    const edges = edgesOf.get(i);
    if (column.kind !== 'number' || edges === undefined) return column;
    return edges.length < 3 ? column : { ...column, edges };
  });
  const isWider = features.some((column) => binsOf(column) !== null);
  return { ...schema, version: isWider ? 2 : schema.version, features };
}

/** Ranks of the least value, of those that split the others into `parts` equal parts, and of the largest. */
function quantileRanks(count: number, parts: number): number[] {
  if (count === 0) return [];
  return Array.from({ length: parts + 1 }, (_, i) => Math.round((i * (count - 1)) / parts));
}
