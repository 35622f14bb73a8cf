import type { LayerKind } from '../kind.js';
import { phantomDense } from './dense.js';
import { phantomMemory } from './memory.js';
import { PhantomLinear } from './operator.js';
import { phantomParameters } from './parameters.js';
import { phantomBackward, phantomForward } from './program.js';

export const phantom: LayerKind = {
  name: 'phantom',
  input: 'sharded',
  output: 'sharded',
  inputGradient: 'added',
  parameters: phantomParameters,
  forward: phantomForward,
  backward: phantomBackward,
  memory: phantomMemory,
  operator: (layer, layout) => new PhantomLinear(layer, layout),
  dense: phantomDense,
};
