import { matrixOfShards } from '../dense-shards.js';
import type { LayerKind } from '../kind.js';
import { RowLinear } from './operator.js';
import { rowOutline } from './outline.js';
import { rowParameters } from './parameters.js';

export const row: LayerKind = {
  ...rowOutline,
  operator: (layer, layout) => new RowLinear(layer, layout),
  dense: matrixOfShards(rowParameters),
};
