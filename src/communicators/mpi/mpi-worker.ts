import { cpus, hostname } from 'node:os';
import { deserialize, serialize } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { UnsupportedError } from '../../base/errors.js';
import type { WasmModule } from '../../base/web-assembly.js';
import { Communicator } from '../communicator.js';
import { toTransfer, type TransferredError } from '../error-transfer.js';
import type { ProcessPlace, RankContext } from '../rank-context.js';
import { Exchange } from '../exchange.js';
import type { Launcher } from '../launcher.js';
import { MpiLink } from './link.js';
import { MpiTransport } from './mpi-transport.js';

/** Words that a process's main thread and its rank share. */
export const STOP = 0;
/** 0; or 1 + the code that the rank shall end the job with. */
export const ABORT = 1;
export const SHARED_WORDS = 16;

/** What `MpiMember` gives its worker. */
export interface MpiWorkerData {
  readonly phantomMpi: {
    readonly launcher: Launcher;
    readonly timeoutS: number;
    readonly kernels: WasmModule | null;
    readonly shared: SharedArrayBuffer;
    /** As of `MpiMemberOptions`. */
    readonly devices: readonly string[];
  };
}

/** What it tells the worker. */
export type MpiRequest =
  | { readonly type: 'agree'; readonly failed: boolean; readonly bytes: Uint8Array }
  | { readonly type: 'run'; readonly data: unknown };

/** What the worker tells it. */
export type MpiReport =
  | { readonly type: 'ready'; readonly processes: readonly MpiProcess[] }
  | {
      readonly type: 'agreed';
      readonly failed: boolean;
      /** Of the first rank that failed, else of rank 0. */
      readonly bytes: Uint8Array;
    }
  | { readonly type: 'message'; readonly message: unknown }
  | { readonly type: 'result'; readonly bytes: Uint8Array }
  /** −1: MPI has not started. */
  | { readonly type: 'error'; readonly origin: number; readonly error: TransferredError };

/** Whether this worker was started by `MpiMember`. */
export function isMpiWorker(): boolean {
  return (workerData as Partial<MpiWorkerData> | null)?.phantomMpi !== undefined;
}

/**
 * Runs the code of the one rank of this process, in a worker that `MpiMember` has started: the
 * worker module calls it once. What rank 0 returns is the result of all; what a rank throws ends
 * the job.
 *
 * @throws UnsupportedError outside such a worker
 */
export async function runMpiRank<Data>(
  body: (context: RankContext<Data>) => unknown,
): Promise<void> {
  const port = parentPort;
  if (port === null || !isMpiWorker()) {
    throw new UnsupportedError('mpi', 'runMpiRank works in a worker that MpiMember started');
  }
  const { launcher, timeoutS, kernels, shared, devices } = (workerData as MpiWorkerData).phantomMpi;
  const words = new Int32Array(shared);
  const tell = (report: MpiReport): void => port.postMessage(report);
  const requests = new Requests(port);
  let transport: MpiTransport;
  try {
    const link = await MpiLink.start(launcher);
    // Not `availableParallelism`: a launcher may have bound each process to a core of its own.
    const oversubscribed = (launcher.localSize ?? 1) > cpus().length;
    transport = new MpiTransport(link, { timeoutS, kernels, oversubscribed });
  } catch (error) {
    tell({ type: 'error', origin: -1, error: toTransfer(error) });
    port.close();
    return;
  }
  try {
    const exchange = new Exchange(new Communicator(transport));
    const places = exchange.texts(`${process.pid} ${hostname()}`).map(placeOf);
    const localRank = localRankOf(launcher, places);
    const taken = exchange.texts(devices[localRank % devices.length] ?? '');
    const processes = places.map((place, i) => ({ ...place, device: taken[i] ?? '' }));
    const here = { transport, localRank };
    tell({ type: 'ready', processes });
    for (;;) {
      const request = await requests.next();
      if (request.type === 'run') {
        const result = await body(contextOf(here, request.data as Data, words, tell));
        const { bytes } = exchange.first(false, serialize(result));
        transport.finalize();
        tell({ type: 'result', bytes });
        break;
      }
      const agreed = exchange.first(request.failed, request.bytes);
      if (agreed.failed) transport.finalize();
      tell({ type: 'agreed', ...agreed });
      if (agreed.failed) break;
    }
  } catch (thrown) {
    const error = toTransfer(thrown);
    transport.fail(error);
    const { origin, error: first } = transport.end ?? { origin: transport.rank, error };
    tell({ type: 'error', origin, error: origin === transport.rank ? error : first });
    awaitAbort(transport, words);
  }
  port.close();
}

/** A process of an MPI job. */
export interface MpiProcess extends ProcessPlace {
  /** What tells the device that its rank takes from all others; empty: it takes none, or that is not known. */
  readonly device: string;
}

function placeOf(text: string): ProcessPlace {
  const [pid, host = ''] = text.split(' ', 2);
  return { host, pid: Number(pid) };
}

/** Ranks on the device that has most of them; null: they are not on devices. */
export function mostOnOneDevice(processes: readonly MpiProcess[]): number | null {
  const counts = new Map<string, number>();
  for (const { device } of processes) {
    if (device !== '') counts.set(device, (counts.get(device) ?? 0) + 1);
  }
  return counts.size === 0 ? null : Math.max(...counts.values());
}

/** A process's place among those of its machine: as its launcher says, else by the hosts of all. Exported for
 * its tests. */
export function localRankOf(
  { localRank, rank }: Pick<Launcher, 'localRank' | 'rank'>,
  processes: readonly ProcessPlace[],
): number {
  const host = processes[rank]?.host;
  return localRank ?? processes.slice(0, rank).filter((other) => other.host === host).length;
}

function contextOf<Data>(
  { transport, localRank }: { readonly transport: MpiTransport; readonly localRank: number },
  data: Data,
  words: Int32Array,
  tell: (report: MpiReport) => void,
): RankContext<Data> {
  return {
    rank: transport.rank,
    index: 0,
    localRank,
    size: transport.size,
    data,
    transport,
    post: (message) => tell({ type: 'message', message }),
    stopRequested: () => Atomics.load(words, STOP) !== 0,
    // Nobody terminates this thread.
    uninterrupted: async (work) => work(),
    endsProcess: true,
  };
}

/** Keeps messages going out until the main thread has informed its user, then ends the job. */
function awaitAbort(transport: MpiTransport, words: Int32Array): void {
  while (Atomics.load(words, ABORT) === 0) {
    transport.look();
    Atomics.wait(words, ABORT, 0, 20);
  }
  transport.abortJob(Atomics.load(words, ABORT) - 1);
}

/** Requests in order, one at a time. */
class Requests {
  readonly #queue: MpiRequest[] = [];
  #wake: (() => void) | null = null;

  constructor(port: NonNullable<typeof parentPort>) {
    port.on('message', (request: MpiRequest) => {
      this.#queue.push(request);
      this.#wake?.();
    });
  }

  async next(): Promise<MpiRequest> {
    for (;;) {
      const request = this.#queue.shift();
      if (request !== undefined) return request;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** What `serialize` made of a value, on another rank. */
export function revive(bytes: Uint8Array): unknown {
  return deserialize(bytes);
}
