import { availableParallelism } from 'node:os';
import { CollectiveError } from '../../base/errors.js';
import { type Call, describeCall, rankNames } from '../call.js';
import { GroupControl } from './control.js';
import type { ThreadsGroup } from './group.js';
import type { Whole } from './part.js';
import {
  ARRIVALS,
  GENERATION,
  POSTED,
  rankWord,
  signatureWord,
  SLEEPERS,
  SLOTS,
  slotWord,
} from './layout.js';

/** Spinning pays while every rank has a core; with more ranks it takes the core from the rank
 * that is waited for. */
const SPINS = 20_000;
const SPINS_OVERSUBSCRIBED = 50;
/** A sleeper looks this often whether the group has ended. The notification of an abort can come
 * between the look and the sleep, so it alone is not enough. */
const SLEEP_SLICE_MS = 100;

/**
 * Where ranks meet: numbered exchanges of one or two phases, each of which ends when every rank
 * has arrived. The last to arrive compares what the ranks called.
 *
 * An exchange has the counters of its slot, `sequence mod S`. The arrivals are reset before the
 * generation is set, and a rank arrives at the slot's next exchange only after it has seen this
 * generation; so no arrival is lost. A generation is compared for equality: it cannot pass a
 * rank, since the slot's next exchange needs that rank's arrival.
 */
export class Rendezvous {
  readonly control: GroupControl;
  readonly #whole: Whole | null;
  readonly #words: Int32Array;
  readonly #rank: number;
  readonly #size: number;
  readonly #spins: number;
  readonly #timeoutS: number;

  /** @param whole of a part of a group: they end together */
  constructor(group: ThreadsGroup, rank: number, whole: Whole | null) {
    this.control = new GroupControl(group.size, group.control);
    this.#whole = whole;
    this.#words = this.control.words;
    this.#rank = rank;
    this.#size = group.size;
    this.#spins = group.size <= availableParallelism() ? SPINS : SPINS_OVERSUBSCRIBED;
    this.#timeoutS = group.timeoutS;
  }

  /** Says what this rank calls under this number; before its arrival in phase 0. */
  sign(sequence: number, code: number, length: number): void {
    const word = signatureWord(this.#rank, sequence & (SLOTS - 1));
    this.#words[word] = code;
    this.#words[word + 1] = length;
  }

  arrive(sequence: number, phase: number): void {
    const words = this.#words;
    const slot = sequence & (SLOTS - 1);
    const word = slotWord(slot, phase);
    const done = (sequence + 1) | 0;
    Atomics.store(words, rankWord(this.#rank) + POSTED + phase, done);
    if (Atomics.add(words, word + ARRIVALS, 1) !== this.#size - 1) return;
    if (phase === 0 && !this.#compare(slot)) return;
    Atomics.store(words, word + ARRIVALS, 0);
    Atomics.store(words, word + GENERATION, done);
    // A sleeper counts itself before it compares the generation, so one of the two sees the other.
    if (Atomics.load(words, word + SLEEPERS) > 0) Atomics.notify(words, word + GENERATION);
  }

  /** Blocks until every rank has arrived.
   * @throws CollectiveError after the timeout, or when the group has ended */
  await(sequence: number, phase: number, call: Call): void {
    const words = this.#words;
    const generation = slotWord(sequence & (SLOTS - 1), phase) + GENERATION;
    const done = (sequence + 1) | 0;
    for (let spin = this.#spins; spin > 0; spin--) {
      if (Atomics.load(words, generation) === done) return;
    }
    this.#sleep(generation, done, phase, call);
  }

  /** Ends the group. @returns whether this cause was the first */
  abort(cause: string): boolean {
    const { control, ranks } = this.#whole ?? { control: this.control, ranks: null };
    return control.abort(cause, ranks?.[this.#rank] ?? this.#rank);
  }

  /** @throws CollectiveError when the group has ended */
  check(call: Call): void {
    const end = (this.#whole?.control ?? this.control).end();
    if (end === null) return;
    const who = end.origin < 0 ? 'the coordinator' : `rank ${end.origin}`;
    throw new CollectiveError(call, `rank ${this.#rank}: ${who} ended the group: ${end.cause}`);
  }

  #sleep(generation: number, done: number, phase: number, call: Call): void {
    const words = this.#words;
    const sleepers = generation - GENERATION + SLEEPERS;
    const started = performance.now();
    for (;;) {
      const seen = Atomics.load(words, generation);
      if (seen === done) return;
      this.check(call);
      const waitedS = (performance.now() - started) / 1000;
      this.#checkMissing(done, phase, call, waitedS);
      const leftMs = this.#timeoutS > 0 ? 1000 * (this.#timeoutS - waitedS) : SLEEP_SLICE_MS;
      Atomics.add(words, sleepers, 1);
      Atomics.wait(words, generation, seen, Math.min(SLEEP_SLICE_MS, Math.max(1, leftMs)));
      Atomics.sub(words, sleepers, 1);
    }
  }

  #checkMissing(done: number, phase: number, call: Call, waitedS: number): void {
    const late = this.#timeoutS > 0 && waitedS >= this.#timeoutS;
    const missing: number[] = [];
    let gone = -1;
    for (let rank = 0; rank < this.#size; rank++) {
      // `hasLeft` first: what a rank posted before it left must be seen.
      const left = this.#hasLeft(rank);
      const posted = Atomics.load(this.#words, rankWord(rank) + POSTED + phase);
      if (((posted - done) | 0) >= 0) continue;
      missing.push(rank);
      if (left) gone = rank;
    }
    if (gone >= 0) {
      this.#fail(
        call,
        `rank ${this.#rank} waits for rank ${gone}, which has left the group; every rank must ` +
          'make the same calls',
      );
    }
    // All have posted: the last of them is about to set the generation.
    if (!late || missing.length === 0) return;
    this.#fail(
      call,
      `rank ${this.#rank} waited ${waitedS.toFixed(1)} s for ${rankNames(missing)} (of ` +
        `${this.#size}); look there for a rank that is stuck or made fewer calls, or raise the ` +
        'timeout if it has that much to do',
    );
  }

  /** Whether a rank has left the group, or the whole that it is a part of. */
  #hasLeft(rank: number): boolean {
    const whole = this.#whole;
    return this.control.hasLeft(rank) || whole?.control.hasLeft(whole.ranks[rank] ?? -1) === true;
  }

  /** Whether all ranks called the same; ends the group if not. */
  #compare(slot: number): boolean {
    const words = this.#words;
    const own = signatureWord(this.#rank, slot);
    for (let rank = 0; rank < this.#size; rank++) {
      const other = signatureWord(rank, slot);
      if (words[other] === words[own] && words[other + 1] === words[own + 1]) continue;
      const called = (word: number): string => describeCall(words[word] ?? 0, words[word + 1] ?? 0);
      this.abort(
        `unequal calls: rank ${rank} called ${called(other)}, rank ${this.#rank} ` +
          `${called(own)}; every rank must make the same calls with the same sizes`,
      );
      return false;
    }
    return true;
  }

  /** Ends the group with this, unless it has another cause, and throws. */
  #fail(call: Call, what: string): never {
    const error = new CollectiveError(call, what);
    if (!this.abort(error.message)) this.check(call);
    throw error;
  }
}
