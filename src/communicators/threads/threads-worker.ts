import { parentPort, workerData } from 'node:worker_threads';
import { NativeError, UnsupportedError } from '../../base/errors.js';
import type { RankContext } from '../rank-context.js';
import { GroupControl } from './control.js';
import { causeText, toTransfer, type TransferredError } from '../error-transfer.js';
import { bindThread } from '../../native/affinity.js';
import type { ThreadsGroup } from './group.js';
import { joinThreadsGroup } from './threads-transport.js';

/** What `launchRanks` gives a worker. */
export interface RankWorkerData {
  readonly phantomGroup: ThreadsGroup;
  readonly rank: number;
  /** Those that the thread is bound to; null: it is not bound. */
  readonly processors: readonly number[] | null;
  readonly data: unknown;
}

/** What a worker tells `launchRanks`. */
export type RankMessage =
  | { readonly type: 'message'; readonly message: unknown }
  /** Its thread is not bound, and why. */
  | { readonly type: 'unbound'; readonly reason: string }
  | { readonly type: 'result'; readonly result: unknown }
  | { readonly type: 'error'; readonly error: TransferredError };

/**
 * Runs the code of a rank in a worker that `launchRanks` has started: the worker module calls it
 * once. What it returns is the rank's result; what it throws ends the group.
 *
 * @throws UnsupportedError outside such a worker
 */
export async function runRank<Data>(body: (context: RankContext<Data>) => unknown): Promise<void> {
  const port = parentPort;
  const given = workerData as RankWorkerData | null;
  if (port === null || typeof given !== 'object' || given?.phantomGroup === undefined) {
    throw new UnsupportedError('threads', 'runRank works in a worker that launchRanks started');
  }
  const { phantomGroup: group, rank, processors } = given;
  const control = new GroupControl(group.size, group.control);
  const tell = (message: RankMessage): void => port.postMessage(message);
  try {
    // Before anything is allocated: memory comes from the node of the thread that touches it first.
    if (processors !== null) {
      try {
        await bindThread(processors);
      } catch (error) {
        if (!(error instanceof NativeError)) throw error;
        tell({ type: 'unbound', reason: error.message });
      }
    }
    // What the worker module imports has been loaded.
    control.unguard(rank);
    const transport = joinThreadsGroup(group, rank);
    const result = await body({
      rank,
      index: rank,
      localRank: rank,
      size: group.size,
      data: given.data as Data,
      transport,
      post: (message) => tell({ type: 'message', message }),
      stopRequested: () => control.stopRequested,
      uninterrupted: async (work) => {
        control.guard(rank);
        try {
          return await work();
        } finally {
          control.unguard(rank);
        }
      },
      endsProcess: false,
    });
    tell({ type: 'result', result });
    control.leave(rank);
  } catch (thrown) {
    const error = toTransfer(thrown);
    control.abort(causeText(error), rank);
    tell({ type: 'error', error });
  }
}
