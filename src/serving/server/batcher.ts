import type { LoadedModel } from '../loaded-model.js';
import { SLOTS } from '../mailbox.js';
import { Deadlines } from './deadlines.js';
import { ProtocolError } from './protocol-error.js';

export interface BatcherLimits {
  /** How long the oldest waiting row may wait for others to share its batch. 0: a batch starts as
   * soon as the ranks are free, and others gather while they are not. */
  readonly maxDelayMs: number;
  /** Rows that may wait; a request counts as one batch at most. */
  readonly maxQueue: number;
  /** Longest time from arrival to answer. */
  readonly timeoutMs: number;
}

export interface BatchEvent {
  readonly rows: number;
  readonly computeS: number;
  readonly exposedS: number;
}

/** Rows to answer. */
export interface RowsRequest {
  readonly rows: number;
  /** Writes some of them: [count, features]. */
  readonly fill: (out: Float32Array, from: number, count: number) => void;
  /** In use, 1 … K; 0: the model has none. */
  readonly ghosts: number;
}

/** Of whoever waits for an answer: a socket. */
export interface AskersConnection {
  readonly destroyed: boolean;
  once(event: 'close', listener: () => void): unknown;
  off(event: 'close', listener: () => void): unknown;
}

export interface Answer {
  /** [rows, outputs] */
  readonly y: Float32Array;
  /** From the request's arrival to the start of its first batch. */
  readonly queueS: number;
  /** From there to its answer. */
  readonly computeS: number;
  /** Rows of its last batch, those of other requests too. */
  readonly batchRows: number;
}

interface Request extends RowsRequest {
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
 * Puts rows of many requests into batches for one loaded model. Every waiting request has a share of
 * the next batch; one that has rows left then goes to the end of the queue, so that none waits behind
 * another's thousands of rows. A batch is run with one number of ghosts, that of the request at the
 * head: others of the same number fill it. Only while the head waits by choice, for others to share
 * its batch, may a full batch of another number start before it.
 */
export class Batcher {
  readonly #model: LoadedModel;
  readonly #limits: BatcherLimits;
  readonly #onBatch: (event: BatchEvent) => void;
  #queue: Request[] = [];
  #queuedRows = 0;
  /** The same, where a request counts as one batch at most. */
  #load = 0;
  /** The same, by number of ghosts. */
  readonly #queuedAt = new Map<number, number>();
  #underWay = 0;
  /** Whether a dispatch is due when the oldest row has waited long enough. */
  #timed = false;
  #drained: (() => void) | null = null;
  readonly #deadlines: Deadlines<Request>;

  constructor(model: LoadedModel, limits: BatcherLimits, onBatch: (event: BatchEvent) => void) {
    this.#model = model;
    this.#limits = limits;
    this.#onBatch = onBatch;
    const { timeoutMs } = limits;
    this.#deadlines = new Deadlines(timeoutMs, (request) => {
      const what = `no answer within ${timeoutMs} ms; the server is overloaded`;
      request.settle(new ProtocolError('timeout', what));
    });
  }

  get queuedRows(): number {
    return this.#queuedRows;
  }

  /**
   * @param connection closes when nobody waits for the answer any more
   * @throws ProtocolError when the queue is full, the time is over, the answer has no room, or the
   *   ranks have failed
   */
  submit({ fill, rows, ghosts }: RowsRequest, connection: AskersConnection): Promise<Answer> {
    const { maxQueue } = this.#limits;
    // A request that is larger than the queue is taken when it is the only one.
    if (this.#load > 0 && this.#load + this.#loadOf(rows) > maxQueue) {
      throw new ProtocolError('queue_full', `${this.#queuedRows} rows wait already; try again`);
    }
    // Before anything refers to the request: this may throw.
    const y = allocate(rows * this.#model.outputs);
    return new Promise((resolve, reject) => {
      const request: Request = {
        fill,
        rows,
        ghosts,
        y,
        arrivedMs: performance.now(),
        startedMs: 0,
        taken: 0,
        answered: 0,
        settled: false,
        settle: (outcome) => {
          if (request.settled) return;
          request.settled = true;
          this.#deadlines.end(request);
          connection.off('close', leave);
          // Rows that are in no batch yet never will be.
          this.#take(request, rows - request.taken);
          if (outcome instanceof ProtocolError) reject(outcome);
          else resolve(outcome);
        },
      };
      const leave = () =>
        request.settle(new ProtocolError('disconnected', 'the client has disconnected'));
      connection.once('close', leave);
      this.#queue.push(request);
      this.#deadlines.begin(request);
      this.#countRows(ghosts, rows);
      this.#load += this.#loadOf(rows);
      if (connection.destroyed) leave();
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
    const all = (this.#queuedAt.get(ghosts) ?? 0) + rows;
    if (all === 0) this.#queuedAt.delete(ghosts);
    else this.#queuedAt.set(ghosts, all);
  }

  #loadOf(waiting: number): number {
    return Math.min(waiting, this.#model.maxBatch);
  }

  /** Takes rows of a request out of the queue. */
  #take(request: Request, count: number): void {
    const waiting = request.rows - request.taken;
    this.#load += this.#loadOf(waiting - count) - this.#loadOf(waiting);
    this.#countRows(request.ghosts, -count);
    request.taken += count;
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
    const first = this.#queue.findIndex(({ rows, taken }) => taken < rows);
    if (first > 0) this.#queue.splice(0, first);
    return this.#queue[0] as Request;
  }

  #nextBatch(ghosts: number): Part[] {
    const { maxBatch } = this.#model;
    const sharing: Request[] = [];
    for (const request of this.#queue) {
      if (request.ghosts === ghosts && request.taken < request.rows) sharing.push(request);
      if (sharing.length === maxBatch) break;
    }
    // What some leave of their shares goes to the first that have more rows.
    const share = Math.floor(maxBatch / sharing.length);
    const shares = sharing.map(({ rows, taken }) => Math.min(share, rows - taken));
    let room = maxBatch - shares.reduce((sum, count) => sum + count, 0);
    const now = performance.now();
    const parts = sharing.map((request, i): Part => {
      const least = shares[i] as number;
      const more = Math.min(room, request.rows - request.taken - least);
      room -= more;
      const part = { request, from: request.taken, count: least + more };
      if (request.taken === 0) request.startedMs = now;
      this.#take(request, part.count);
      return part;
    });
    const unfinished = sharing.filter(({ rows, taken }) => taken < rows);
    if (unfinished.length > 0) {
      const others = this.#queue.filter((request) => !unfinished.includes(request));
      this.#queue = [...others, ...unfinished];
    }
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
            request.fill(slot.subarray(at * features, (at + count) * features), from, count);
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
        const computeS = (now - request.startedMs) / 1000;
        request.settle({ y: request.y, queueS, computeS, batchRows: rows });
      }
    }
  }
}

/** @throws ProtocolError when the machine does not have it */
function allocate(length: number): Float32Array {
  try {
    return new Float32Array(length);
  } catch {
    const what = `no memory for an answer of ${length} numbers; send fewer rows at a time`;
    throw new ProtocolError('unavailable', what);
  }
}
