import { CollectiveError, ShapeError } from '../base/errors.js';
import type { InferenceMessage } from './resident-rank.js';
import { type BatchReading, Mailbox, type MailboxHandle, SLOTS } from './mailbox.js';

/** Ranks that hold a network, as a session needs them. */
export interface SessionRanks {
  /** Settles when every rank has ended; rejects with the first cause when one failed. */
  readonly done: Promise<unknown>;
  abort(cause: string): void;
  /** Those that have made the fewest collective calls: where one is stuck, the others wait in the
   * call that it has not made. Empty: not known. */
  behind(): readonly number[];
}

/** A batch that the ranks do not answer. */
export interface Stall {
  readonly forMs: number;
  /** Ranks of this process that have not done their part, apart from those that wait for them. */
  readonly ranks: readonly number[];
}

interface Batch {
  readonly rows: number;
  readonly ghosts: number;
  readonly write: (x: Float32Array) => void;
  readonly read: (y: Float32Array) => void;
  readonly resolve: (reading: BatchReading) => void;
  readonly reject: (error: Error) => void;
}

interface PostedBatch extends Batch {
  readonly number: number;
  readonly postedMs: number;
}

/**
 * Batches on their way through resident ranks: at most `SLOTS` are with them, the others wait in
 * order. Batches are written straight into memory that the ranks read, and answers are read from
 * where they wrote them.
 */
export class Session {
  readonly #mailbox: Mailbox;
  readonly #ranks: SessionRanks;
  readonly #waiting: Batch[] = [];
  readonly #underWay: (PostedBatch | null)[] = Array.from({ length: SLOTS }, () => null);
  readonly #ended: Promise<void>;
  #posted = 0;
  #closing = false;
  #failure: Error | null = null;
  #idle: (() => void) | null = null;

  constructor(mailbox: MailboxHandle, ranks: SessionRanks) {
    this.#mailbox = new Mailbox(mailbox);
    this.#ranks = ranks;
    this.#ended = ranks.done.then(
      () => this.#fail(new CollectiveError('session', 'the ranks have ended')),
      (error: unknown) => this.#fail(error as Error),
    );
  }

  /** Why no more batches are answered; null: they are. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** Settles when the ranks have ended, whatever the reason. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /**
   * Answers one batch.
   *
   * @param rows 1 … maxBatch
   * @param ghosts in use, 1 … K; 0: the network has none
   * @param write fills x, [rows, features], when the batch's turn comes
   * @param read takes y, [rows, outputs], which is only good during the call
   * @throws ShapeError for too many rows; what ended the ranks
   */
  run(
    rows: number,
    ghosts: number,
    write: (x: Float32Array) => void,
    read: (y: Float32Array) => void,
  ): Promise<BatchReading> {
    const { maxBatch } = this.#mailbox.handle;
    if (!Number.isInteger(rows) || rows < 1 || rows > maxBatch) {
      throw new ShapeError('session', `a batch of ${rows} rows; it has 1 to ${maxBatch}`);
    }
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#closing) return Promise.reject(new CollectiveError('session', 'it is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rows, ghosts, write, read, resolve, reject });
      this.#pump();
    });
  }

  /** What the ranks have been at for the longest time; null: nothing. */
  get stall(): Stall | null {
    let oldest: PostedBatch | null = null;
    for (const batch of this.#underWay) {
      if (batch !== null && (oldest === null || batch.number < oldest.number)) oldest = batch;
    }
    if (oldest === null) return null;
    const unfinished = this.#mailbox.unfinished(oldest.number);
    const behind = this.#ranks.behind();
    const stuck = unfinished.filter((index) => behind.includes(index));
    const ranks = stuck.length > 0 ? stuck : unfinished;
    return { forMs: performance.now() - oldest.postedMs, ranks };
  }

  receive(message: InferenceMessage): void {
    if (message.type !== 'done') return;
    const { batch } = message;
    const done = this.#underWay[batch % SLOTS];
    this.#underWay[batch % SLOTS] = null;
    if (!done) return;
    try {
      done.read(this.#mailbox.y(batch, done.rows));
      done.resolve(this.#mailbox.reading(batch));
    } catch (error) {
      done.reject(error as Error);
    }
    this.#pump();
  }

  /** Answers what has been asked, then ends the ranks. */
  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      if (this.#failure === null && this.#busy) {
        await new Promise<void>((resolve) => {
          this.#idle = resolve;
        });
      }
      if (this.#failure === null) this.#mailbox.post(this.#posted++, 0, 0);
    }
    await this.#ended;
  }

  /** Ends the ranks at once. */
  abort(cause: string): void {
    this.#ranks.abort(cause);
  }

  get #busy(): boolean {
    return this.#waiting.length > 0 || this.#underWay.some((batch) => batch !== null);
  }

  #pump(): void {
    while (this.#underWay[this.#posted % SLOTS] === null) {
      const batch = this.#waiting.shift();
      if (batch === undefined) break;
      try {
        batch.write(this.#mailbox.x(this.#posted, batch.rows));
      } catch (error) {
        batch.reject(error as Error);
        continue;
      }
      const posted = { ...batch, number: this.#posted, postedMs: performance.now() };
      this.#underWay[this.#posted % SLOTS] = posted;
      this.#mailbox.post(this.#posted++, batch.rows, batch.ghosts);
    }
    if (!this.#busy) this.#idle?.();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const batch of [...this.#underWay, ...this.#waiting.splice(0)]) batch?.reject(error);
    this.#underWay.fill(null);
    this.#idle?.();
  }
}
