/** Batches that may be under way: ranks work on one while the other is filled or read. */
export const SLOTS = 2;

/** A waiting rank looks up this often: whether its group has ended. */
const WAIT_SLICE_MS = 1000;

const POSTED = 0;
/** Words of a slot: rows, ghosts in use, ranks that are done. */
const SLOT_WORDS = 3;
const slotWord = (slot: number) => 1 + SLOT_WORDS * slot;
/** Of a rank here: 1 + the last batch that it is done with. */
const doneWord = (index: number) => slotWord(SLOTS) + index;

/** What a batch cost, as rank 0 of a process saw it. */
export interface BatchReading {
  /** From the batch's arrival at the ranks to its answer. */
  readonly computeS: number;
  /** Of it, blocked in collectives. */
  readonly exposedS: number;
}

/** Shared memory between a process's main thread and its ranks. Structured-cloneable. */
export interface MailboxHandle {
  readonly features: number;
  readonly outputs: number;
  readonly maxBatch: number;
  readonly ranksHere: number;
  readonly words: SharedArrayBuffer;
  /** [SLOTS, maxBatch, features] */
  readonly x: SharedArrayBuffer;
  /** [SLOTS, maxBatch, outputs] */
  readonly y: SharedArrayBuffer;
  /** [SLOTS, 2] float64 */
  readonly readings: SharedArrayBuffer;
}

export function createMailbox(
  sizes: Pick<MailboxHandle, 'features' | 'outputs' | 'maxBatch' | 'ranksHere'>,
): MailboxHandle {
  const { features, outputs, maxBatch, ranksHere } = sizes;
  return {
    ...sizes,
    words: new SharedArrayBuffer(4 * doneWord(ranksHere)),
    x: new SharedArrayBuffer(4 * SLOTS * maxBatch * features),
    y: new SharedArrayBuffer(4 * SLOTS * maxBatch * outputs),
    readings: new SharedArrayBuffer(8 * SLOTS * 2),
  };
}

/**
 * Batches in order, by number: batch n lies in slot n mod SLOTS. The main thread fills a slot and
 * posts it; every rank of the process works on it; the last to be done says so. No rank polls, and
 * the main thread never blocks.
 */
export class Mailbox {
  readonly handle: MailboxHandle;
  readonly #words: Int32Array;
  readonly #readings: Float64Array;

  constructor(handle: MailboxHandle) {
    this.handle = handle;
    this.#words = new Int32Array(handle.words);
    this.#readings = new Float64Array(handle.readings);
  }

  /** Rows of a batch, [rows, features]. */
  x(batch: number, rows: number): Float32Array {
    const { features, maxBatch, x } = this.handle;
    return new Float32Array(x, 4 * (batch % SLOTS) * maxBatch * features, rows * features);
  }
  /** Answers of a batch, [rows, outputs]. */
  y(batch: number, rows: number): Float32Array {
    const { outputs, maxBatch, y } = this.handle;
    return new Float32Array(y, 4 * (batch % SLOTS) * maxBatch * outputs, rows * outputs);
  }

  /** Hands a batch to the ranks; 0 rows tell them to end. */
  post(batch: number, rows: number, ghosts: number): void {
    const word = slotWord(batch % SLOTS);
    this.#words[word] = rows;
    this.#words[word + 1] = ghosts;
    this.#words[word + 2] = 0;
    // Counts wrap at 2³¹.
    Atomics.store(this.#words, POSTED, (batch + 1) | 0);
    Atomics.notify(this.#words, POSTED);
  }

  /** Blocks a rank until the batch has been posted. @returns its rows */
  await(batch: number): number {
    for (;;) {
      const posted = Atomics.load(this.#words, POSTED);
      if (((posted - batch - 1) | 0) >= 0) return this.#words[slotWord(batch % SLOTS)] ?? 0;
      Atomics.wait(this.#words, POSTED, posted, WAIT_SLICE_MS);
    }
  }

  /** Ghosts that a batch which has been posted is answered with. */
  ghosts(batch: number): number {
    return this.#words[slotWord(batch % SLOTS) + 1] ?? 0;
  }

  /**
   * Called by every rank when it is done with a batch.
   *
   * @param index the rank's place among those of its process
   * @returns whether it was the last
   */
  finish(batch: number, index: number): boolean {
    Atomics.store(this.#words, doneWord(index), (batch + 1) | 0);
    const done = slotWord(batch % SLOTS) + 2;
    return Atomics.add(this.#words, done, 1) === this.handle.ranksHere - 1;
  }

  /** Ranks of this process that are not done with a batch, by their places. */
  unfinished(batch: number): number[] {
    return Array.from({ length: this.handle.ranksHere }, (_, index) => index).filter(
      (index) => ((Atomics.load(this.#words, doneWord(index)) - batch - 1) | 0) < 0,
    );
  }

  write(batch: number, { computeS, exposedS }: BatchReading): void {
    this.#readings.set([computeS, exposedS], 2 * (batch % SLOTS));
  }
  reading(batch: number): BatchReading {
    const [computeS = 0, exposedS = 0] = this.#readings.subarray(2 * (batch % SLOTS));
    return { computeS, exposedS };
  }
}
