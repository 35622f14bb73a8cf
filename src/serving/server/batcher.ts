import type { LoadedModel } from '../loaded-model.js';
import { SLOTS } from '../mailbox.js';
import { ProtocolError } from './protocol-error.js';

export interface BatcherLimits {
  /** How long the oldest waiting row may wait for others to share its batch. 0: a batch starts as
   * soon as the ranks are free, and others gather while they are not. */
  readonly maxDelayMs: number;
  /** Rows that may wait. */
  readonly maxQueue: number;
  /** Longest time from arrival to answer. */
  readonly timeoutMs: number;
}

export interface BatchEvent {
  readonly rows: number;
  readonly computeS: number;
  readonly exposedS: number;
}

export interface Answer {
  /** [rows, outputs] */
  readonly y: Float32Array;
  /** From the request's arrival to the start of its first batch. */
  readonly queueS: number;
  /** From there to its answer. */
  readonly computeS: number;
}

interface Request {
  readonly x: Float32Array;
  readonly rows: number;
  readonly ghosts: number;
  readonly y: Float32Array;
  readonly arrivedMs: number;
  startedMs: number;
  /** Rows that are in batches, and rows that are answered. */
  taken: number;
  answered: number;
  settled: boolean;
  readonly settle: (outcome: Answer | ProtocolError) => void;
}

/** Rows of one request inside a batch. */
interface Part {
  readonly request: Request;
  readonly from: number;
  readonly count: number;
}

/**
 * Puts rows of many requests into batches for one loaded model. A request of more rows than a batch
 * has is spread over several; no row waits behind a batch that could have taken it. A batch is run
 * with one number of ghosts, that of the oldest row: later rows of the same number fill it, the
 * others wait. Only while the oldest row waits by choice, for others to share its batch, may a full
 * batch of another number start before it.
 */
export class Batcher {
  readonly #model: LoadedModel;
  readonly #limits: BatcherLimits;
  readonly #onBatch: (event: BatchEvent) => void;
  readonly #queue: Request[] = [];
  #queuedRows = 0;
  /** The same, by number of ghosts. */
  readonly #queuedAt = new Map<number, number>();
  #underWay = 0;
  /** Whether a dispatch is due when the oldest row has waited long enough. */
  #timed = false;
  #drained: (() => void) | null = null;

  constructor(model: LoadedModel, limits: BatcherLimits, onBatch: (event: BatchEvent) => void) {
    this.#model = model;
    this.#limits = limits;
    this.#onBatch = onBatch;
  }

  get queuedRows(): number {
    return this.#queuedRows;
  }

  /**
   * @param x [rows, features]
   * @param ghosts in use, 1 … K; 0: the model has none
   * @param disconnected fires when nobody waits for the answer any more
   * @throws ProtocolError when the queue is full, the time is over, or the ranks have failed
   */
  submit(
    x: Float32Array,
    rows: number,
    ghosts: number,
    disconnected: AbortSignal,
  ): Promise<Answer> {
    const { maxQueue, timeoutMs } = this.#limits;
    // A request that is larger than the queue is taken when it is the only one.
    if (this.#queuedRows > 0 && this.#queuedRows + rows > maxQueue) {
      throw new ProtocolError('queue_full', `${this.#queuedRows} rows wait already; try again`);
    }
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        const what = `no answer within ${timeoutMs} ms; the server is overloaded`;
        request.settle(new ProtocolError('timeout', what));
      }, timeoutMs);
      const leave = () =>
        request.settle(new ProtocolError('disconnected', 'the client has disconnected'));
      const request: Request = {
        x,
        rows,
        ghosts,
        y: new Float32Array(rows * this.#model.outputs),
        arrivedMs: performance.now(),
        startedMs: 0,
        taken: 0,
        answered: 0,
        settled: false,
        settle: (outcome) => {
          if (request.settled) return;
          request.settled = true;
          clearTimeout(late);
          disconnected.removeEventListener('abort', leave);
          // Rows that are in no batch yet never will be.
          this.#countRows(ghosts, request.taken - rows);
          request.taken = rows;
          if (outcome instanceof ProtocolError) reject(outcome);
          else resolve(outcome);
        },
      };
      disconnected.addEventListener('abort', leave, { once: true });
      this.#queue.push(request);
      this.#countRows(ghosts, rows);
      if (disconnected.aborted) leave();
      this.#dispatch();
    });
  }

  /** Settles when every request has been answered. */
  async drain(): Promise<void> {
    if (this.#queuedRows === 0 && this.#underWay === 0) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }

  #dispatch(): void {
    while (this.#queuedRows > 0 && this.#underWay < SLOTS) {
      const { ghosts, arrivedMs } = this.#oldest();
      const waitMs = this.#limits.maxDelayMs - (performance.now() - arrivedMs);
      const next = waitMs > 0 ? (this.#fullAt() ?? ghosts) : ghosts;
      const full = this.#isFull(next);
      // A second batch under way pays when it is full; else its rows had better wait for more.
      if (!full && this.#underWay > 0) return;
      if (!full && waitMs > 0) {
        if (this.#timed) return;
        this.#timed = true;
        setTimeout(() => {
          this.#timed = false;
          this.#dispatch();
        }, waitMs);
        return;
      }
      void this.#run(this.#nextBatch(next), next);
    }
    if (this.#queuedRows === 0 && this.#underWay === 0) this.#drained?.();
  }

  #countRows(ghosts: number, rows: number): void {
    this.#queuedRows += rows;
    this.#queuedAt.set(ghosts, (this.#queuedAt.get(ghosts) ?? 0) + rows);
  }

  /** Whether rows of so many ghosts fill a batch. */
  #isFull(ghosts: number): boolean {
    return (this.#queuedAt.get(ghosts) ?? 0) >= this.#model.maxBatch;
  }

  /** Ghosts of a batch that is full; null: none is. */
  #fullAt(): number | null {
    for (const ghosts of this.#queuedAt.keys()) if (this.#isFull(ghosts)) return ghosts;
    return null;
  }

  /** The first request that still has rows to be taken; there is one. */
  #oldest(): Request {
    this.#forget();
    return this.#queue[0] as Request;
  }

  /** Drops requests at the head that have no rows left to take. */
  #forget(): void {
    let done = 0;
    while (
      done < this.#queue.length &&
      (this.#queue[done] as Request).taken === this.#queue[done]?.rows
    ) {
      done++;
    }
    if (done > 0) this.#queue.splice(0, done);
  }

  #nextBatch(ghosts: number): Part[] {
    const parts: Part[] = [];
    let room = this.#model.maxBatch;
    const now = performance.now();
    for (const request of this.#queue) {
      if (room === 0) break;
      const count = Math.min(room, request.rows - request.taken);
      if (count === 0 || request.ghosts !== ghosts) continue;
      if (request.taken === 0) request.startedMs = now;
      parts.push({ request, from: request.taken, count });
      request.taken += count;
      this.#countRows(ghosts, -count);
      room -= count;
    }
    this.#forget();
    return parts;
  }

  async #run(parts: readonly Part[], ghosts: number): Promise<void> {
    const { features, outputs } = this.#model;
    const rows = parts.reduce((sum, { count }) => sum + count, 0);
    this.#underWay++;
    let failure: ProtocolError | null = null;
    try {
      const reading = await this.#model.session.run(
        rows,
        ghosts,
        (slot) => {
          let at = 0;
          for (const { request, from, count } of parts) {
            slot.set(request.x.subarray(from * features, (from + count) * features), at * features);
            at += count;
          }
        },
        (slot) => {
          let at = 0;
          for (const { request, from, count } of parts) {
            request.y.set(slot.subarray(at * outputs, (at + count) * outputs), from * outputs);
            at += count;
          }
        },
      );
      this.#onBatch({ rows, ...reading });
    } catch (error) {
      failure = new ProtocolError(
        'unavailable',
        `the model has failed: ${(error as Error).message}`,
      );
    }
    this.#underWay--;
    // The ranks first: what follows here takes longer than they need to see the next batch.
    this.#dispatch();
    const now = performance.now();
    for (const { request, count } of parts) {
      request.answered += count;
      if (failure !== null) request.settle(failure);
      else if (request.answered === request.rows) {
        const queueS = (request.startedMs - request.arrivedMs) / 1000;
        request.settle({ y: request.y, queueS, computeS: (now - request.startedMs) / 1000 });
      }
    }
  }
}
