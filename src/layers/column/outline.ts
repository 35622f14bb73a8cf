import type { LayerOutline } from '../outline.js';
import { columnMemory } from './memory.js';
import { columnParameters } from './parameters.js';
import { columnBackward, columnForward } from './program.js';

export const columnOutline: LayerOutline = {
  name: 'column',
  input: 'replicated',
  output: 'sharded',
  inputGradient: 'given',
  parameters: columnParameters,
  forward: columnForward,
  backward: columnBackward,
  memory: columnMemory,
};
