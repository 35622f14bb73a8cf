import os from 'node:os';
import { ConfigError } from '../../base/errors.js';
import { checkLimits } from '../../base/process-limits.js';
import { type Launcher, unstartedTasks } from '../../communicators/launcher.js';
import { MpiMember } from '../../communicators/mpi/member.js';
import { mostOnOneDevice } from '../../communicators/mpi/mpi-worker.js';
import type { ProcessPlace } from '../../communicators/rank-context.js';
import { MAXIMUM_RANKS } from '../../communicators/threads/group.js';
import {
  type Launch,
  type LaunchOptions,
  launchRanks,
} from '../../communicators/threads/launch-ranks.js';
import { type Bind, bindingOf, unboundText } from './binding.js';
import { loadKernelModule } from '../../engines/wasm/kernel-module.js';

/** Ranks that one process can run as threads. */
export const MAXIMUM_THREADS = MAXIMUM_RANKS;

/** What a run says of its ranks before it knows more of itself. */
export interface RanksRequest {
  /** Of the MPI job that this process is one of; null: ranks are threads of this process. */
  readonly launcher: Launcher | null;
  readonly size: number;
  /** The worker module; it calls `runRankProgram`. */
  readonly module: URL;
  readonly timeoutS: number;
  readonly bind: Bind;
  /** Takes what slows this process down, once it is known; in the process of rank 0. */
  readonly onWarning: (message: string) => void;
  /** Of an engine on devices: those that ranks of this process take in turn (`deviceIds`). Default: none. */
  readonly devices?: readonly string[];
  /** Takes what ranks of this process post. */
  readonly onMessage: (message: unknown) => void;
}

/** What ranks are started with. */
export interface RanksStart {
  readonly data: unknown;
  /** For ranks that are threads. */
  readonly threads: Pick<LaunchOptions, 'stagingBytes'>;
}

/** Ranks that have been started. */
export interface StartedRanks {
  /** What rank 0 returned; rejects with the first cause when a rank failed. */
  readonly done: Promise<unknown>;
  /** Asks every rank to end after the step it is in. */
  requestStop(): void;
  /** Ends every rank with this cause. */
  abort(cause: string): void;
  /** Ranks that have made the fewest collective calls; empty: not known. */
  behind(): readonly number[];
}

/** The ranks of a run: threads of this process, or one each of the processes of an MPI job. */
export interface Ranks {
  /** Those that this process runs. */
  readonly here: readonly number[];
  /** Ranks on this machine, of this run. */
  readonly onMachine: number;
  /** Of an MPI job, ranks on the device that has most of them; null: not on devices, or ranks are threads. */
  readonly onOneDevice: number | null;
  /** Whether the first of this machine's ranks is here; null: the launcher does not say. */
  readonly firstOnMachine: boolean | null;
  /** Of an MPI job, by rank; null: ranks are threads. */
  readonly processes: readonly ProcessPlace[] | null;
  /** Does something in every process; where one fails, all do. */
  together<T>(work: () => T | Promise<T>): Promise<T>;
  /** Does something in the process of rank 0; all get its result, or its error. */
  fromFirst<T>(work: () => T | Promise<T>): Promise<T>;
  /** Starts this process's ranks. Called once. */
  start(start: RanksStart): StartedRanks;
}

/** Threads; or MPI, under a launcher.
 * @throws NativeError when the launcher's MPI library is missing or another,
 *   UnsupportedError when a limit of this process leaves no room for its ranks */
export async function joinRanks(request: RanksRequest): Promise<Ranks> {
  const { launcher, module, timeoutS, onMessage, onWarning, devices = [] } = request;
  checkLimits(launcher === null ? request.size : 1);
  if (launcher === null) return threadRanks(request);
  const kernels = loadKernelModule(false);
  const member = await MpiMember.join({ launcher, module, timeoutS, kernels, onMessage, devices });
  const warning = bindingWarning(launcher);
  if (warning !== null && member.rank === 0) onWarning(warning);
  return {
    here: [member.rank],
    processes: member.processes,
    onMachine: launcher.localSize ?? 1,
    onOneDevice: mostOnOneDevice(member.processes),
    firstOnMachine: launcher.localRank === null ? null : launcher.localRank === 0,
    together: (work) => member.together(work),
    fromFirst: (work) => member.fromFirst(work),
    start: ({ data }) => ({
      done: member.run(data),
      requestStop: () => member.requestStop(),
      // This process ends with an error, and takes the job with it.
      abort: () => {},
      behind: () => [],
    }),
  };
}

/**
 * Does what comes before `joinRanks`. Where it fails in a process of an MPI job, the process joins
 * the others to say so: rank 0 tells the failure, and all end.
 */
export async function beforeRanks<T>(
  launcher: Launcher | null,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (launcher === null) throw error;
    const module = new URL('no-rank.js', import.meta.url);
    const none = { timeoutS: 0, kernels: null, onMessage: () => {} };
    const member = await MpiMember.join({ launcher, module, ...none });
    return member.together(() => {
      throw error;
    });
  }
}

/**
 * @param asked null: nobody asked for a number
 * @param usual where nobody asked and no launcher has started the ranks
 * @throws ConfigError for another number than the launcher has started
 */
export function rankCount(
  where: string,
  launcher: Launcher | null,
  asked: number | null,
  usual: number,
): number {
  if (launcher === null) return asked ?? usual;
  if (asked === null || asked === launcher.size) return launcher.size;
  throw new ConfigError(
    where,
    `ranks ${asked}, and ${launcher.name} started ${launcher.size} processes; leave --ranks out`,
  );
}

/** How threads are started here: their sums are made by the compiled kernels. */
type ThreadOptions = Omit<LaunchOptions, 'kernels' | 'processors' | 'onUnbound'> &
  Pick<RanksRequest, 'bind' | 'onWarning'>;

/** Starts one worker thread for each rank, bound to a NUMA node where that is wanted and possible. */
export function launchThreads<Result>(options: ThreadOptions): Launch<Result> {
  const { bind, onWarning, ...launch } = options;
  const { processors, warning } = bindingOf(bind, launch.size);
  if (warning !== null) onWarning(warning);
  const onUnbound = (reason: string) => onWarning(unboundText(reason));
  return launchRanks({ ...launch, processors, onUnbound, kernels: loadKernelModule(false) });
}

function threadRanks(request: RanksRequest): Ranks {
  const { size, module, timeoutS, bind, onMessage, onWarning } = request;
  const warning = allocationWarning();
  if (warning !== null) onWarning(warning);
  return {
    here: Array.from({ length: size }, (_, rank) => rank),
    onMachine: size,
    onOneDevice: null,
    firstOnMachine: true,
    processes: null,
    together: async (work) => work(),
    fromFirst: async (work) => work(),
    start({ data, threads }) {
      const launch = launchThreads({
        ...threads,
        size,
        bind,
        onWarning,
        module,
        data,
        timeoutS,
        onMessage: (_rank, message) => onMessage(message),
      });
      const first = async () => (await launch.done)[0];
      return {
        done: first(),
        requestStop: () => launch.requestStop(),
        abort: (cause) => launch.abort(cause),
        behind: () => launch.behind(),
      };
    },
  };
}

function allocationWarning(): string | null {
  const tasks = unstartedTasks();
  if (tasks === 0) return null;
  return (
    `SLURM_NTASKS is ${tasks}, but srun did not start this process, so that ranks are its ` +
    'threads; for a rank per task put srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH) before ' +
    'the command'
  );
}

/** Beside its rank, a process reads data and serves signals. */
function bindingWarning({ name, command, localSize }: Launcher): string | null {
  if (os.availableParallelism() > 1 || os.cpus().length <= (localSize ?? 1)) return null;
  const remedy = command === 'srun' ? '--cpus-per-task 2' : '--bind-to none';
  return `${name} has bound each process to one core; ${remedy} leaves room to read batches`;
}
