import { matrixOfShards } from '../dense-shards.js';
import type { LayerKind } from '../kind.js';
import { rowMemory } from './memory.js';
import { RowLinear } from './operator.js';
import { rowParameters } from './parameters.js';
import { rowBackward, rowForward } from './program.js';

export const row: LayerKind = {
  name: 'row',
  input: 'sharded',
  output: 'replicated',
  inputGradient: 'added',
  parameters: rowParameters,
  forward: rowForward,
  backward: rowBackward,
  memory: rowMemory,
  operator: (layer, layout) => new RowLinear(layer, layout),
  dense: matrixOfShards(rowParameters),
};
