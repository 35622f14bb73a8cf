import type { BlockLayout } from '../layers/block-layout.js';
import type { Spread } from '../layers/outline.js';
import { inputWidth, type NetworkSpecification, outputWidth } from './specification.js';

/** What enters a network, or leaves it. */
export interface Edge {
  /** Whether each rank has its blocks' rows, or all. */
  readonly spread: Spread;
  /** Features, or numbers of an answer. */
  readonly width: number;
  /** Rows of all blocks: the width, followed by zeros up to a multiple of P where it is sharded. */
  readonly padded: number;
}

/** Rows of an edge on one rank: `count` from the `first`, then zeros up to `held`. */
export interface EdgeRows {
  readonly first: number;
  readonly count: number;
  readonly held: number;
}

export function inputEdge(specification: NetworkSpecification): Edge {
  return edge(specification, inputWidth(specification), specification.input !== undefined);
}

export function outputEdge(specification: NetworkSpecification): Edge {
  return edge(specification, outputWidth(specification), specification.head !== undefined);
}

function edge({ ends, blocks }: NetworkSpecification, width: number, isSplit: boolean): Edge {
  if (ends.kind === 'replicated' && !isSplit) {
    return { spread: 'replicated', width, padded: width };
  }
  return { spread: 'sharded', width, padded: Math.ceil(width / blocks) * blocks };
}

/** The rows that a rank has of an edge. */
export function edgeRows(
  { spread, width, padded }: Edge,
  { blocks, blocksHere, firstBlock }: BlockLayout,
): EdgeRows {
  if (spread === 'replicated') return { first: 0, count: width, held: width };
  const each = padded / blocks;
  const first = Math.min(width, firstBlock * each);
  const held = blocksHere * each;
  return { first, count: Math.min(held, width - first), held };
}
