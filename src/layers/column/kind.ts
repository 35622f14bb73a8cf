import { matrixOfShards } from '../dense-shards.js';
import type { LayerKind } from '../kind.js';
import { ColumnLinear } from './operator.js';
import { columnOutline } from './outline.js';
import { columnParameters } from './parameters.js';

export const column: LayerKind = {
  ...columnOutline,
  operator: (layer, layout) => new ColumnLinear(layer, layout),
  dense: matrixOfShards(columnParameters),
};
