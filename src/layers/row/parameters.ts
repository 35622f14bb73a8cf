import { denseVariance } from '../matrix-shards.js';
import type { LayerSizes, ParameterShape } from '../outline.js';

/** Rows of the output. */
export interface RowRange {
  readonly from: number;
  readonly count: number;
}

/**
 * The rows that one block adds its bias to: each block has its own, so that every bias enters the
 * sum once; of a layer that is stored whole, block 0 has all. Null: none.
 */
export function biasRows(
  { outputs, blocks, storedWhole }: Pick<LayerSizes, 'outputs' | 'blocks' | 'storedWhole'>,
  block: number,
): RowRange | null {
  if (storedWhole) return block === 0 ? { from: 0, count: outputs } : null;
  const count = outputs / blocks;
  return { from: block * count, count };
}

/** The columns of the matrix that belong to one block, `weight` [outputs, m], and its `bias`. */
export function rowParameters(layer: LayerSizes, block: number): ParameterShape[] {
  const { inputs, outputs, blocks } = layer;
  const m = inputs / blocks;
  const rows = biasRows(layer, block);
  const weight: ParameterShape = {
    part: 'weight',
    shape: [outputs, m],
    variance: denseVariance(layer),
    place: { shape: [outputs, inputs], row: 0, column: block * m },
  };
  if (rows === null) return [weight];
  const place = { shape: [outputs], row: rows.from, column: 0 };
  return [weight, { part: 'bias', shape: [rows.count], variance: 0, place }];
}
