import {
  CAUSE_BYTES,
  CAUSE_CAPACITY_BYTES,
  causeByte,
  GENERATION,
  GUARD,
  LEFT,
  ORIGIN,
  POSTED,
  rankWord,
  SLOTS,
  slotWord,
  STATE,
  STOP,
} from './layout.js';

const OPEN = 0;
const ENDING = 1;
const ENDED = 2;

const GUARDED = 0;
const FREE = 1;
const CLAIMED = 2;

/** Who ended a group, and why. */
export interface GroupEnd {
  /** −1: the coordinator. */
  readonly origin: number;
  readonly cause: string;
}

/** What the ranks of a group and its coordinator tell one another outside collectives. */
export class GroupControl {
  readonly size: number;
  readonly words: Int32Array;

  constructor(size: number, shared: SharedArrayBuffer) {
    this.size = size;
    this.words = new Int32Array(shared);
  }

  /** Ends the group and wakes whoever waits.
   * @param origin the rank that failed, −1 for the coordinator
   * @returns whether this cause was the first */
  abort(cause: string, origin: number): boolean {
    if (Atomics.compareExchange(this.words, STATE, OPEN, ENDING) !== OPEN) return false;
    const text = new Uint8Array(CAUSE_CAPACITY_BYTES);
    const { written } = new TextEncoder().encodeInto(cause, text);
    new Uint8Array(this.words.buffer, causeByte(this.size)).set(text);
    this.words[ORIGIN] = origin;
    this.words[CAUSE_BYTES] = written;
    Atomics.store(this.words, STATE, ENDED);
    Atomics.notify(this.words, STATE);
    for (let slot = 0; slot < SLOTS; slot++) {
      Atomics.notify(this.words, slotWord(slot, 0) + GENERATION);
      Atomics.notify(this.words, slotWord(slot, 1) + GENERATION);
    }
    return true;
  }

  get ended(): boolean {
    return Atomics.load(this.words, STATE) !== OPEN;
  }

  /** Why the group ended; null while it has not. */
  end(): GroupEnd | null {
    if (!this.ended) return null;
    // Writing the cause takes microseconds; the limit is for a writer that died meanwhile.
    Atomics.wait(this.words, STATE, ENDING, 100);
    if (Atomics.load(this.words, STATE) !== ENDED) return { origin: -1, cause: 'unknown' };
    // A decoder does not take shared memory.
    const length = this.words[CAUSE_BYTES] ?? 0;
    const text = new Uint8Array(this.words.buffer, causeByte(this.size), length).slice();
    return { origin: this.words[ORIGIN] ?? -1, cause: new TextDecoder().decode(text) };
  }

  /** Asks the ranks to stop at their next step boundary. */
  requestStop(): void {
    Atomics.store(this.words, STOP, 1);
  }
  get stopRequested(): boolean {
    return Atomics.load(this.words, STOP) !== 0;
  }

  /** The ranks that have posted the fewest collectives; all of them, where none is behind. */
  behind(): number[] {
    const posted = Array.from({ length: this.size }, (_, rank) => [
      Atomics.load(this.words, rankWord(rank) + POSTED),
      Atomics.load(this.words, rankWord(rank) + POSTED + 1),
    ]);
    // Counts wrap; no rank is far from another.
    const [origin = []] = posted;
    const ahead = posted.map((counts) =>
      counts.reduce((sum, count, phase) => sum + ((count - (origin[phase] ?? 0)) | 0), 0),
    );
    const least = Math.min(...ahead);
    return ahead.flatMap((count, rank) => (count === least ? [rank] : []));
  }

  /** Marks a rank that makes no further call. */
  leave(rank: number): void {
    Atomics.store(this.words, rankWord(rank) + LEFT, 1);
  }
  hasLeft(rank: number): boolean {
    return Atomics.load(this.words, rankWord(rank) + LEFT) !== 0;
  }

  // A thread must not be terminated while it loads native code: that aborts the process. So a
  // rank is guarded from the start of its thread and whenever it says so, and the coordinator
  // claims it before it terminates it.

  /** Forbids termination. Never returns when the rank is already claimed. */
  guard(rank: number): void {
    const word = rankWord(rank) + GUARD;
    if (Atomics.compareExchange(this.words, word, FREE, GUARDED) === CLAIMED) {
      Atomics.wait(this.words, word, CLAIMED);
    }
  }
  unguard(rank: number): void {
    Atomics.compareExchange(this.words, rankWord(rank) + GUARD, GUARDED, FREE);
  }
  /** @returns whether the rank may be terminated now */
  claim(rank: number): boolean {
    const before = Atomics.compareExchange(this.words, rankWord(rank) + GUARD, FREE, CLAIMED);
    return before !== GUARDED;
  }
}
