import type { LayerOutline } from '../outline.js';
import { phantomMemory } from './memory.js';
import { phantomParameters } from './parameters.js';
import { phantomBackward, phantomForward } from './program.js';

export const phantomOutline: LayerOutline = {
  name: 'phantom',
  input: 'sharded',
  output: 'sharded',
  inputGradient: 'added',
  parameters: phantomParameters,
  forward: phantomForward,
  backward: phantomBackward,
  memory: phantomMemory,
};
