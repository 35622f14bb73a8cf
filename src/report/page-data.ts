import type { Figure } from './figure.js';
import type { FigureGroup } from './run-charts.js';
import type { RunData } from '../runs/run-data.js';

/** A table, texts ready to show. */
export interface TextTable {
  readonly title: string;
  /** What the numbers say, and how they were obtained. */
  readonly remark: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** All that a page shows. */
export interface PageData {
  readonly title: string;
  /** What comes out of it, in a sentence and a picture. */
  readonly lead: { readonly sentence: string; readonly figure: Figure | null } | null;
  readonly about: readonly (readonly [name: string, value: string])[];
  /** What was skipped, or has to be known of the numbers. */
  readonly notes: readonly string[];
  readonly runs: readonly RunData[];
  readonly tables: readonly TextTable[];
  readonly figures: readonly FigureGroup[];
  /** Whether a server sends what is new. */
  readonly live: boolean;
}

/** What a server sends to a live page. */
export type PageUpdate =
  | { readonly type: 'run'; readonly run: RunData }
  | { readonly type: 'gone'; readonly folder: string }
  | { readonly type: 'notes'; readonly notes: readonly string[] };
