// A rank of a training run on worker threads.
import { runRank } from '../communicators/threads/worker.js';
import { type LoaderHandle, openBatches } from '../data/loader/loader.js';
import { measureEngine } from '../engines/measure.js';
import { runTraining, type TrainingJob } from '../training/trainer.js';
import { createEngine } from './engines.js';
import { countedParts } from './rank-parts.js';

/** What `trainRun` gives every rank. */
export interface TrainingRankData {
  readonly job: TrainingJob;
  readonly batches: LoaderHandle;
}

await runRank<TrainingRankData>(async (context) => {
  const { job, batches } = context.data;
  const { engine: choice, relaxedSimd } = job.settings;
  const bare = await context.uninterrupted(() => createEngine(choice, { relaxedSimd }));
  const { flopsPerS } = measureEngine(bare);
  return runTraining(job, {
    ...countedParts(bare, context.transport),
    batches: openBatches(batches, context.rank),
    peakFlopsPerS: flopsPerS,
    stopRequested: context.stopRequested,
    onEvent: context.post,
  });
});
