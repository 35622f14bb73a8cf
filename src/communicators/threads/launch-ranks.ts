import { emitWarning } from 'node:process';
import { Worker } from 'node:worker_threads';
import type { ResourceLimits } from 'node:worker_threads';
import { CollectiveError } from '../../base/errors.js';
import { workerOptions } from '../../base/worker-options.js';
import { GroupControl } from './control.js';
import {
  causeText,
  fromTransfer,
  isOwnError,
  toTransfer,
  type TransferredError,
} from '../error-transfer.js';
import { createThreadsGroup, type ThreadsGroupOptions } from './group.js';
import type { RankMessage, RankWorkerData } from './threads-worker.js';

/** How long ranks may take to end by themselves, after a failure or their results. */
const GRACE_MS = 1000;
/** How long a launch waits for its workers to be gone before it reports; a thread in a native
 * call ends only after it. */
const TERMINATION_MS = 700;

/** What ranks are started with. */
export interface LaunchOptions extends ThreadsGroupOptions {
  /** The worker module; it calls `runRank`. */
  readonly module: URL;
  /** By rank, the processors that its thread may run on; null, the default: those of the process. */
  readonly processors?: readonly (readonly number[])[] | null;
  /** Takes why the system does not let threads be bound, of the first rank that meets it; ranks then go
   * on unbound. Default: `process.emitWarning`. */
  readonly onUnbound?: (reason: string) => void;
  /** Passed to every rank by structured clone. */
  readonly data?: unknown;
  readonly onMessage?: (rank: number, message: unknown) => void;
  /** Heap limits of every worker. */
  readonly resourceLimits?: ResourceLimits;
}

/** Ranks that `launchRanks` has started. */
export interface Launch<Result> {
  /** What the ranks returned, by rank, when all workers have ended. Rejects with the first cause
   * when one failed. */
  readonly done: Promise<Result[]>;
  /** Ends every rank; `done` rejects with this cause unless there was another before. */
  abort(cause: string): void;
  /** Asks the ranks to stop at their next step boundary. */
  requestStop(): void;
  /** The ranks that have made the fewest collective calls; all of them, where none is behind. */
  behind(): readonly number[];
}

/**
 * Starts one worker thread for each rank. A rank that throws, exits, or runs out of memory ends
 * the group: the others' collectives throw, and whatever does not end by itself is terminated.
 *
 * @throws ConfigError for a size outside 1 … 256
 */
export function launchRanks<Result = unknown>(options: LaunchOptions): Launch<Result> {
  const launch = new RankLaunch(options);
  return {
    done: launch.done as Promise<Result[]>,
    abort: (cause) => launch.abort(cause),
    requestStop: () => launch.control.requestStop(),
    behind: () => launch.control.behind(),
  };
}

interface Rank {
  readonly worker: Worker;
  result: { readonly value: unknown } | null;
  failure: TransferredError | null;
  exited: boolean;
}

class RankLaunch {
  readonly done: Promise<unknown[]>;
  readonly control: GroupControl;
  readonly #options: LaunchOptions;
  readonly #ranks: Rank[] = [];
  #settle: { resolve(results: unknown[]): void; reject(error: Error): void } | null = null;
  #isUnbound = false;
  #failed = false;
  #firstFailure: TransferredError | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: LaunchOptions) {
    this.#options = options;
    const group = createThreadsGroup(options);
    this.control = new GroupControl(group.size, group.control);
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    for (let rank = 0; rank < group.size; rank++) {
      const processors = options.processors?.[rank] ?? null;
      const { data } = options;
      const workerData: RankWorkerData = { phantomGroup: group, rank, processors, data };
      try {
        this.#add(rank, workerData);
      } catch (error) {
        // Data that cannot be cloned, or no more threads.
        this.#ranks.length = rank;
        this.#fail(rank, toTransfer(error));
        break;
      }
    }
  }

  abort(cause: string): void {
    this.control.abort(cause, -1);
    this.#fail(-1, null);
  }

  #add(index: number, workerData: RankWorkerData): void {
    const { module, resourceLimits } = this.#options;
    const worker = new Worker(module, {
      workerData,
      ...workerOptions(),
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
    });
    const rank: Rank = { worker, result: null, failure: null, exited: false };
    this.#ranks.push(rank);
    worker.on('message', (message: RankMessage) => this.#receive(index, rank, message));
    worker.on('error', (error: unknown) => this.#fail(index, toTransfer(named(index, error))));
    worker.on('exit', (code) => {
      rank.exited = true;
      if (rank.result === null && rank.failure === null) {
        this.#fail(index, {
          name: 'CollectiveError',
          message: `[threads] rank ${index} ended with exit code ${code} before its result`,
          stack: '',
        });
      }
      this.#finishIfAllExited();
    });
  }

  #receive(index: number, rank: Rank, message: RankMessage): void {
    if (message.type === 'error') this.#fail(index, message.error);
    else if (message.type === 'message') {
      try {
        this.#options.onMessage?.(index, message.message);
      } catch (error) {
        this.#fail(-1, toTransfer(error));
      }
    } else if (message.type === 'unbound') {
      if (!this.#isUnbound) (this.#options.onUnbound ?? emitWarning)(message.reason);
      this.#isUnbound = true;
    } else if (message.type === 'result') {
      rank.result = { value: message.result };
      if (this.#ranks.every(({ result }) => result !== null)) this.#endAfterGrace();
    }
  }

  /** @param index the rank that failed, −1: the coordinator itself */
  #fail(index: number, failure: TransferredError | null): void {
    const rank = this.#ranks[index];
    if (rank !== undefined) rank.failure ??= failure;
    if (failure !== null) this.control.abort(causeText(failure), index);
    this.#failed = true;
    this.#firstFailure ??= failure;
    this.#endAfterGrace();
    this.#finishIfAllExited();
  }

  /** Gives the workers time to end by themselves, then terminates them, then reports. */
  #endAfterGrace(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      for (const [index, rank] of this.#ranks.entries()) this.#terminate(index, rank);
      this.#timer = setTimeout(() => this.#finish(), TERMINATION_MS);
    }, GRACE_MS);
  }

  /** Terminates a worker as soon as it may be: see `GroupControl.guard`. */
  #terminate(index: number, rank: Rank): void {
    if (rank.exited) return;
    if (this.control.claim(index)) void rank.worker.terminate();
    else setTimeout(() => this.#terminate(index, rank), 10);
  }

  #finishIfAllExited(): void {
    if (this.#ranks.every(({ exited }) => exited)) this.#finish();
  }

  #finish(): void {
    const settle = this.#settle;
    if (settle === null) return;
    this.#settle = null;
    // The timer would keep the process alive.
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#failed) settle.reject(this.#cause());
    else settle.resolve(this.#ranks.map(({ result }) => result?.value));
  }

  /** The error of whoever ended the group first. */
  #cause(): Error {
    const end = this.control.end();
    const cause = end?.cause ?? 'unknown';
    const origin = end?.origin ?? -1;
    const failure = this.#ranks[origin]?.failure ?? this.#firstFailure;
    // A rank can end the group with one cause and then throw something else.
    if (failure !== null && causeText(failure).startsWith(cause)) return fromTransfer(failure);
    const who = origin < 0 ? '' : `rank ${origin} ended the group: `;
    const options = failure === null ? {} : { cause: fromTransfer(failure) };
    return new CollectiveError('threads', who + cause, options);
  }
}

/** An error of the thread itself (memory, say) does not tell whose it is; the package's own do. */
function named(rank: number, error: unknown): unknown {
  if (!(error instanceof Error) || isOwnError(error)) return error;
  return new CollectiveError('threads', `rank ${rank} failed: ${error.message}`);
}
