import { column } from './column/kind.js';
import { gather } from './gather/kind.js';
import type { LayerKind } from './kind.js';
import type { KindName } from './outlines.js';
import { phantom } from './phantom/kind.js';
import { row } from './row/kind.js';

/** Every kind of linear layer, with its operator. */
export const KINDS: Readonly<Record<KindName, LayerKind>> = { phantom, gather, column, row };
