import { matrixOfShards } from '../dense-shards.js';
import type { LayerKind } from '../kind.js';
import { GatherLinear } from './operator.js';
import { gatherOutline } from './outline.js';
import { gatherParameters } from './parameters.js';

export const gather: LayerKind = {
  ...gatherOutline,
  operator: (layer, layout) => new GatherLinear(layer, layout),
  dense: matrixOfShards(gatherParameters),
};
