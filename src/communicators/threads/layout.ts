import { IN_FLIGHT } from '../host-transport.js';

/**
 * Where things lie in the words (Int32) that the ranks of a group share. What different ranks
 * write often lies on different cache lines, 16 words each.
 *
 *     line 0        STATE, ORIGIN, CAUSE_BYTES
 *     line 1        STOP
 *     per slot      4 lines: phase 1 arrivals and sleepers; its generation; the same for phase 2
 *     per rank      2 lines: progress; signatures of its calls, one pair a slot
 *     then          the cause of an abort, UTF-8
 */

/** S = 2D staging slots for D collectives, or chunks of one, posted and not completed; a power of two,
 * so that the slot of a wrapped number stays right. */
export const SLOTS = 2 * IN_FLIGHT;

export const STATE = 0;
export const ORIGIN = 1;
export const CAUSE_BYTES = 2;
export const STOP = 16;

const SLOT_START = 32;
const SLOT_WORDS = 64;
/** Offsets inside a slot's phase. */
export const ARRIVALS = 0;
export const SLEEPERS = 1;
export const GENERATION = 16;

/** First word of a phase (0 or 1) of a slot. */
export function slotWord(slot: number, phase: number): number {
  return SLOT_START + slot * SLOT_WORDS + phase * 32;
}

const RANK_START = SLOT_START + SLOTS * SLOT_WORDS;
const RANK_WORDS = 32;
/** Offsets inside a rank's words. POSTED + phase: 1 + the last number posted in that phase. */
export const POSTED = 0;
export const LEFT = 2;
export const GUARD = 3;
const SIGNATURES = 16;

export function rankWord(rank: number): number {
  return RANK_START + rank * RANK_WORDS;
}

/** Two words: what the rank called and its length in elements. */
export function signatureWord(rank: number, slot: number): number {
  return rankWord(rank) + SIGNATURES + 2 * slot;
}

export const CAUSE_CAPACITY_BYTES = 4096;

export function causeByte(size: number): number {
  return 4 * rankWord(size);
}

export function controlBytes(size: number): number {
  return causeByte(size) + CAUSE_CAPACITY_BYTES;
}
