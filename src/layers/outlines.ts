import { columnOutline } from './column/outline.js';
import { gatherOutline } from './gather/outline.js';
import type { LayerOutline } from './outline.js';
import { phantomOutline } from './phantom/outline.js';
import { rowOutline } from './row/outline.js';

/** What is known by sizes alone of every kind of linear layer; `kinds.ts` adds the operators. */
export const OUTLINES = {
  phantom: phantomOutline,
  gather: gatherOutline,
  column: columnOutline,
  row: rowOutline,
} as const satisfies Readonly<Record<string, LayerOutline>>;

/** The name of a kind of layer. */
export type KindName = keyof typeof OUTLINES;
