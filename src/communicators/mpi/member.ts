import { serialize } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { ConfigError, NativeError } from '../../base/errors.js';
import { prepareForMpi } from '../../native/mpi.js';
import type { WasmModule } from '../../base/web-assembly.js';
import { workerOptions } from '../../base/worker-options.js';
import { fromTransfer, toTransfer, type TransferredError } from '../error-transfer.js';
import { DeathWatch } from './death-watch.js';
import { ElsewhereError } from '../elsewhere.js';
import type { Launcher } from '../launcher.js';
import {
  ABORT,
  type MpiProcess,
  type MpiReport,
  type MpiRequest,
  type MpiWorkerData,
  revive,
  SHARED_WORDS,
  STOP,
} from './mpi-worker.js';

/** How long a process that failed because of another stays, so that the first cause comes first
 * and rank 0, which tells it, ends the job. */
const HOLD_MS = 6000;
/** How long the end of the process waits for the job to be aborted. */
const ABORT_MS = 2000;

export interface MpiMemberOptions {
  readonly launcher: Launcher;
  /** The worker module; it calls `runMpiRank`. */
  readonly module: URL;
  /** Longest wait for the other ranks; 0: none. */
  readonly timeoutS: number;
  /** A module that exports `add`; null: sums in JavaScript, with the same bits. */
  readonly kernels: WasmModule | null;
  readonly onMessage: (message: unknown) => void;
  /** What tells the devices that ranks of this process take in turn from all others. Default: none. */
  readonly devices?: readonly string[];
}

/**
 * A process of an MPI job, seen from its main thread, which stays free for signals and progress: a
 * worker thread starts MPI and runs the process's one rank.
 */
export class MpiMember {
  readonly #options: MpiMemberOptions;
  readonly #worker: Worker;
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * SHARED_WORDS));
  #processes: readonly MpiProcess[] = [];
  readonly #watch: DeathWatch;
  #expecting: { resolve(report: MpiReport): void; reject(error: Error): void } | null = null;
  /** A failure that came while nothing was expected. */
  #failure: Error | null = null;

  private constructor(options: MpiMemberOptions) {
    this.#options = options;
    const { launcher, timeoutS, kernels, devices = [] } = options;
    prepareForMpi();
    this.#watch = new DeathWatch(launcher);
    const shared = this.#words.buffer;
    const parts = { launcher, timeoutS, kernels, shared, devices };
    const workerData: MpiWorkerData = { phantomMpi: parts };
    this.#worker = new Worker(options.module, { workerData, ...workerOptions() });
    this.#worker.on('message', (report: MpiReport) => this.#receive(report));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', (code) => {
      this.#fail(new NativeError('mpi', `the rank's thread ended with code ${code}`));
    });
    process.once('exit', this.#abort);
  }

  /** Starts MPI and waits for the other processes.
   * @throws NativeError without a library, or when it is not the launcher's */
  static async join(options: MpiMemberOptions): Promise<MpiMember> {
    const member = new MpiMember(options);
    const report = await member.#next().catch((error: unknown) => {
      // What keeps the library from the launcher does so in every process.
      throw error instanceof ConfigError && member.rank > 0 ? new ElsewhereError(error) : error;
    });
    if (report.type === 'ready') {
      member.#processes = report.processes;
      await member.#watch.join(report.processes);
    }
    return member;
  }

  /** By rank. */
  get processes(): readonly MpiProcess[] {
    return this.#processes;
  }
  get rank(): number {
    return this.#options.launcher.rank;
  }
  get size(): number {
    return this.#options.launcher.size;
  }

  /** Does something in every process; where one fails, all do, with the first rank's error. */
  async together<T>(work: () => T | Promise<T>): Promise<T> {
    let done: { value: T } | null = null;
    let failure: Uint8Array | null = null;
    try {
      done = { value: await work() };
    } catch (error) {
      failure = serialize(toTransfer(error));
    }
    await this.#agree(failure !== null, failure ?? new Uint8Array(0));
    if (done === null) throw new TypeError('a failure was agreed on by nobody');
    return done.value;
  }

  /** Does something on rank 0; all get its result, or its error. */
  async fromFirst<T>(work: () => T | Promise<T>): Promise<T> {
    let bytes = new Uint8Array(0);
    let failed = false;
    if (this.rank === 0) {
      try {
        bytes = serialize(await work());
      } catch (error) {
        failed = true;
        bytes = serialize(toTransfer(error));
      }
    }
    return revive(await this.#agree(failed, bytes)) as T;
  }

  /** Runs the worker module's code. @returns what it returned on rank 0 */
  async run(data: unknown): Promise<unknown> {
    this.#post({ type: 'run', data });
    const report = await this.#next();
    await this.#end();
    return report.type === 'result' ? revive(report.bytes) : undefined;
  }

  /** Asks this process's rank to stop at its next step boundary. */
  requestStop(): void {
    Atomics.store(this.#words, STOP, 1);
  }

  async #agree(failed: boolean, bytes: Uint8Array): Promise<Uint8Array> {
    this.#post({ type: 'agree', failed, bytes });
    const report = await this.#next();
    if (report.type !== 'agreed') throw new TypeError(`expected an agreement: ${report.type}`);
    if (!report.failed) return report.bytes;
    await this.#end();
    throw this.#tellable(revive(report.bytes) as TransferredError);
  }

  #post(request: MpiRequest): void {
    this.#worker.postMessage(request);
  }

  async #next(): Promise<MpiReport> {
    if (this.#failure !== null) throw this.#failure;
    return new Promise((resolve, reject) => {
      this.#expecting = { resolve, reject };
    });
  }

  #receive(report: MpiReport): void {
    if (report.type === 'message') this.#options.onMessage(report.message);
    else if (report.type !== 'error') this.#settle(report);
    else if (report.origin < 0) {
      process.off('exit', this.#abort);
      const { error } = report;
      this.#fail(error.name === 'ConfigError' ? this.#tellable(error) : fromTransfer(error));
    } else if (report.origin === this.rank || this.rank === 0)
      this.#fail(fromTransfer(report.error));
    else setTimeout(() => this.#fail(this.#tellable(report.error)), HOLD_MS);
  }

  #settle(report: MpiReport): void {
    this.#expecting?.resolve(report);
    this.#expecting = null;
  }

  #fail(error: Error): void {
    this.#watch.leave();
    this.#failure ??= error;
    this.#expecting?.reject(this.#failure);
    this.#expecting = null;
  }

  /** What all processes know and one of them tells. */
  #tellable(transferred: TransferredError): Error {
    const error = fromTransfer(transferred);
    return this.rank === 0 ? error : new ElsewhereError(error);
  }

  /** MPI has ended in the worker: the process may. */
  async #end(): Promise<void> {
    process.off('exit', this.#abort);
    this.#watch.leave();
    await this.#worker.terminate();
  }

  /** A process that ends before its job has takes the job with it. */
  readonly #abort = (code: number): void => {
    this.#watch.leave();
    Atomics.store(this.#words, ABORT, 1 + (code === 0 ? 1 : code));
    Atomics.notify(this.#words, ABORT);
    Atomics.wait(this.#words, STOP + 2, 0, ABORT_MS);
  };
}
