import { isMpiWorker, runMpiRank } from '../../communicators/mpi/mpi-worker.js';
import type { RankContext } from '../../communicators/rank-context.js';
import { runRank } from '../../communicators/threads/threads-worker.js';

/** Runs the code of a rank, in a worker thread that is one of a group or stands for its process in
 * an MPI job. */
export async function runRankProgram<Data>(
  body: (context: RankContext<Data>) => unknown,
): Promise<void> {
  await (isMpiWorker() ? runMpiRank(body) : runRank(body));
}
