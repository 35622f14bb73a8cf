import type { LayerSizes, ParameterShape } from '../outline.js';

/** The bias of a sharded output: each block has that of its own rows. */
export function shardedBias({ outputs, blocks }: LayerSizes, block: number): ParameterShape {
  const rows = outputs / blocks;
  const place = { shape: [outputs], row: block * rows, column: 0 };
  return { part: 'bias', shape: [rows], variance: 0, place };
}
