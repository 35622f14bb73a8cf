import { ShapeError } from '../base/errors.js';

/**
 * How the P blocks of a layer lie on R ranks: rank r hosts the P/R consecutive blocks from
 * `firstBlock`.
 */
export interface BlockLayout {
  /** P */
  readonly blocks: number;
  /** Blocks on this rank, P/R. */
  readonly blocksHere: number;
  readonly firstBlock: number;
  /** R */
  readonly ranks: number;
}

/** The blocks that a rank hosts: P/R consecutive ones. @throws ShapeError unless R divides P */
export function blockLayout(blocks: number, ranks: number, rank: number): BlockLayout {
  if (blocks % ranks !== 0) {
    throw new ShapeError('blocks', `${blocks} blocks on ${ranks} ranks; ranks must divide blocks`);
  }
  const blocksHere = blocks / ranks;
  return { blocks, blocksHere, firstBlock: rank * blocksHere, ranks };
}

/** 0, 1, … count − 1: the rank's own blocks, counted from its first. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Of the blocks before and after the rank's j-th, `each` rows of every one; sides without a block
 * are left out. */
export function rowsBeside(layout: BlockLayout, j: number, each: number): number[] {
  const block = layout.firstBlock + j;
  return [block * each, (layout.blocks - 1 - block) * each].filter((rows) => rows > 0);
}
