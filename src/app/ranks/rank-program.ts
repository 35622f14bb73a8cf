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

/** What `use` makes of a rank's engine, which is closed then: also where the rank fails, unless its process ends.
 * A close may wait for other ranks, which hear of the failure only after this. */
export async function withRankEngine<T>(
  { uninterrupted, endsProcess }: Pick<RankContext<unknown>, 'uninterrupted' | 'endsProcess'>,
  make: () => Promise<Engine>,
  use: (engine: Engine) => T | Promise<T>,
): Promise<T> {
  const engine = await uninterrupted(make);
  let isDone = false;
  try {
    const made = await use(engine);
    isDone = true;
    return made;
  } finally {
    if (isDone || !endsProcess) await uninterrupted(() => engine.close());
  }
}
