import type { LayerKind } from '../kind.js';
import { phantomDense } from './dense.js';
import { PhantomLinear } from './operator.js';
import { phantomOutline } from './outline.js';

export const phantom: LayerKind = {
  ...phantomOutline,
  operator: (layer, layout) => new PhantomLinear(layer, layout),
  dense: phantomDense,
};
