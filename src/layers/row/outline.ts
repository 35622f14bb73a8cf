import type { LayerOutline } from '../outline.js';
import { rowMemory } from './memory.js';
import { rowParameters } from './parameters.js';
import { rowBackward, rowForward } from './program.js';

export const rowOutline: LayerOutline = {
  name: 'row',
  input: 'sharded',
  output: 'replicated',
  inputGradient: 'added',
  parameters: rowParameters,
  forward: rowForward,
  backward: rowBackward,
  memory: rowMemory,
};
