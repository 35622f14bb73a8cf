import { matrixOfShards } from '../dense-shards.js';
import type { LayerKind } from '../kind.js';
import { gatherMemory } from './memory.js';
import { GatherLinear } from './operator.js';
import { gatherParameters } from './parameters.js';
import { gatherBackward, gatherForward } from './program.js';

export const gather: LayerKind = {
  name: 'gather',
  input: 'sharded',
  output: 'sharded',
  inputGradient: 'given',
  parameters: gatherParameters,
  forward: gatherForward,
  backward: gatherBackward,
  memory: gatherMemory,
  operator: (layer, layout) => new GatherLinear(layer, layout),
  dense: matrixOfShards(gatherParameters),
};
