import assert from 'node:assert/strict';
import type { MovedPayload, Payload } from '#src/communicators/communicator.js';

/** A number that everybody can compute: element `i` of what `rank` contributes to `stream`. Its
 * exponents differ so much that another order of a sum shows in its bits. */
export function element(stream: number, rank: number, i: number): number {
  let h = Math.imul(stream + 1, 0x9e3779b1) ^ Math.imul(rank + 1, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15) ^ Math.imul(i + 1, 0xc2b2ae35), 0x27d4eb2f);
  h ^= h >>> 13;
  return ((h % 1_000_003) / 1_000_003) * (1 << ((h >>> 20) % 12));
}

export function fill<P extends Payload>(payload: P, stream: number, rank: number, from = 0): P {
  for (let i = 0; i < payload.length; i++) payload[i] = element(stream, rank, from + i);
  return payload;
}

/** Σ over ranks by the fixed tree, in plain arithmetic; `round` is the payload's precision. */
export function treeSum(size: number, value: (rank: number) => number, round: Round): number {
  return sumOf(value, round, 0, size);
}

/** Σ over `count` ranks from `low`. */
function sumOf(value: (rank: number) => number, round: Round, low: number, count: number): number {
  if (count === 1) return round(value(low));
  let split = 1;
  while (split * 2 < count) split *= 2;
  const left = sumOf(value, round, low, split);
  return round(left + sumOf(value, round, low + split, count - split));
}

/** Byte `i` of what `rank` contributes to `stream`. */
export function byte(stream: number, rank: number, i: number): number {
  return Math.imul(stream + 1, 31) + Math.imul(rank + 1, 101) + Math.imul(i + 1, 7) + (i >> 8);
}
export const round8: Round = (value) => value & 255;

export type Round = (value: number) => number;
export const round32: Round = Math.fround;
export const round64: Round = (value) => value;

/** An array between guards that no collective may touch. */
export class Guarded<P extends Payload | MovedPayload> {
  readonly data: P;
  readonly #all: P;
  readonly #guard: number;

  constructor(all: P) {
    this.#guard = all.BYTES_PER_ELEMENT === 1 ? 199 : -12_345;
    this.#all = all.fill(this.#guard) as P;
    this.data = all.subarray(16, all.length - 16) as P;
  }

  check(): void {
    for (const i of [0, 15, this.#all.length - 16, this.#all.length - 1]) {
      assert.equal(this.#all[i], this.#guard, 'memory beside a buffer was written');
    }
  }
}

export function guarded32(length: number): Guarded<Float32Array> {
  return new Guarded(new Float32Array(length + 32));
}
export function guarded8(length: number): Guarded<Uint8Array> {
  return new Guarded(new Uint8Array(length + 32));
}
export function guarded64(length: number): Guarded<Float64Array> {
  return new Guarded(new Float64Array(length + 32));
}

/** Every element equals `expected(i)`, bit for bit apart from NaN. */
export function checkElements(
  payload: Payload | MovedPayload,
  expected: (i: number) => number,
  what: string,
): void {
  for (let i = 0; i < payload.length; i++) {
    const wanted = expected(i);
    if (!Object.is(payload[i], wanted)) {
      assert.fail(`${what}: element ${i} of ${payload.length} is ${payload[i]}, not ${wanted}`);
    }
  }
}

/** Random integers below a bound, the same in every rank that has the seed. */
export function randomIntegers(seed: number): (bound: number) => number {
  let state = seed | 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

const never = new Int32Array(new SharedArrayBuffer(4));
export function sleepMs(ms: number): void {
  if (ms > 0) Atomics.wait(never, 0, 0, ms);
}
