import type { LayerOutline } from '../outline.js';
import { gatherMemory } from './memory.js';
import { gatherParameters } from './parameters.js';
import { gatherBackward, gatherForward } from './program.js';

export const gatherOutline: LayerOutline = {
  name: 'gather',
  input: 'sharded',
  output: 'sharded',
  inputGradient: 'given',
  parameters: gatherParameters,
  forward: gatherForward,
  backward: gatherBackward,
  memory: gatherMemory,
};
