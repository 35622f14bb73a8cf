import { column } from './column/kind.js';
import { gather } from './gather/kind.js';
import type { LayerKind } from './kind.js';
import { phantom } from './phantom/kind.js';
import { row } from './row/kind.js';

/** Every kind of linear layer. */
export const KINDS = { phantom, gather, column, row } as const satisfies Readonly<
  Record<string, LayerKind>
>;

/** The name of a kind of layer. */
export type KindName = keyof typeof KINDS;
