import { matrixOfShards } from '../dense-shards.js';
import type { LayerKind } from '../kind.js';
import { columnMemory } from './memory.js';
import { ColumnLinear } from './operator.js';
import { columnParameters } from './parameters.js';
import { columnBackward, columnForward } from './program.js';

export const column: LayerKind = {
  name: 'column',
  input: 'replicated',
  output: 'sharded',
  inputGradient: 'given',
  parameters: columnParameters,
  forward: columnForward,
  backward: columnBackward,
  memory: columnMemory,
  operator: (layer, layout) => new ColumnLinear(layer, layout),
  dense: matrixOfShards(columnParameters),
};
