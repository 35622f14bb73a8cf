import { isMpiWorker, runMpiRank } from '../../communicators/mpi/mpi-worker.js';
import type { RankContext } from '../../communicators/rank-context.js';
import type { Engine } from '../../engines/engine.js';
import { runRank } from '../../communicators/threads/threads-worker.js';

/** Runs the code of a rank, in a worker thread that is one of a group or stands for its process in
 * an MPI job. */
export async function runRankProgram<Data>(
  body: (context: RankContext<Data>) => unknown,
): Promise<void> {
  await (isMpiWorker() ? runMpiRank(body) : runRank(body));
}

/** What `use` makes of a rank's engine, which is closed then: also where the rank fails. */
export async function withRankEngine<T>(
  { uninterrupted }: Pick<RankContext<unknown>, 'uninterrupted'>,
  make: () => Promise<Engine>,
  use: (engine: Engine) => T | Promise<T>,
): Promise<T> {
  const engine = await uninterrupted(make);
  try {
    return await use(engine);
  } finally {
    await uninterrupted(() => engine.close());
  }
}
