// A rank of a training run on worker threads.
import { runRank } from '../communicators/threads/worker.js';
import { type LoaderHandle, openBatches } from '../data/loader/loader.js';
import type { WasmModule } from '../web-assembly.js';
import { measureEngine } from '../engines/measure.js';
import { runTraining, type TrainingJob } from '../training/trainer.js';
import { createEngine } from './engines.js';
import { countedParts } from './rank-parts.js';

/** What `trainRun` gives every rank. */
export interface TrainingRankData {
  readonly job: TrainingJob;
  readonly batches: LoaderHandle;
  /** The kernels, compiled once for all ranks. */
  readonly module: WasmModule;
}

await runRank<TrainingRankData>(async (context) => {
  const { job, batches, module } = context.data;
  const { engine: choice, relaxedSimd } = job.settings;
  const make = () => createEngine(choice, { relaxedSimd, module });
  const bare = await context.uninterrupted(make);
  // An engine of its own, so that the measurement takes none of the run's memory.
  const peakFlopsPerS = context.rank === 0 ? measureEngine(await make()).flopsPerS : 0;
  return runTraining(job, {
    ...countedParts(bare, context.transport),
    batches: openBatches(batches, context.rank),
    peakFlopsPerS,
    stopRequested: context.stopRequested,
    onEvent: context.post,
  });
});
