// A rank of a training run, on a worker thread.
import { type LoaderHandle, openBatches } from '../../data/loader/loader.js';
import type { WasmModule } from '../../base/web-assembly.js';
import { operandsIn } from '../../engines/compute.js';
import { measureEngine } from '../../engines/measure.js';
import { runTraining, type TrainingJob } from '../../training/trainer.js';
import { createEngine } from '../ranks/engines.js';
import { countedParts } from '../ranks/rank-parts.js';
import { type MeterPlace, rankEnergy } from '../ranks/rank-meter.js';
import { runRankProgram, withRankEngine } from '../ranks/rank-program.js';

/** What `trainOnRanks` gives every rank. */
export interface TrainingRankData {
  readonly job: TrainingJob;
  /** By replica, of those in this process. */
  readonly batches: readonly LoaderHandle[];
  readonly meter: MeterPlace;
  /** The kernels, compiled once for all ranks. */
  readonly module: WasmModule;
}

await runRankProgram<TrainingRankData>(async (context) => {
  const { job, batches, module } = context.data;
  const { engine: choice, relaxedSimd, devices, ranks, replicas, compute } = job.settings;
  const { localRank } = context;
  const warnings: string[] = [];
  // Those of the first rank are part of the run's log.
  const ofRank = context.rank === 0 && {
    onWarning: (message: string) => void warnings.push(message),
  };
  const make = () =>
    createEngine(choice, {
      relaxedSimd,
      devices,
      localRank,
      module,
      compute,
      ...ofRank,
    });
  // An engine of its own, so that the measurement takes none of the run's memory.
  const measured = () =>
    withRankEngine(context, make, (engine) => {
      const { flopsPerS: peakFlopsPerS } = measureEngine(engine, operandsIn(compute));
      const isHalf = compute === 'bfloat16';
      const ratio = isHalf ? peakFlopsPerS / measureEngine(engine).flopsPerS : null;
      return { peakFlopsPerS, halfRatio: ratio };
    });
  const rates = context.rank === 0 ? await measured() : { peakFlopsPerS: 0, halfRatio: null };
  const handle = batches[Math.floor(context.index / ranks)];
  if (!handle) throw new TypeError(`no batches for rank ${context.rank}`);
  return withRankEngine(context, make, async (bare) => {
    const parts = countedParts(bare, context.transport, replicas);
    const place = { ...context.data.meter, index: context.index };
    const metered = { ...job.settings, ...parts, ...place, ...ofRank };
    return runTraining(job, {
      ...parts,
      energy: await context.uninterrupted(() => rankEnergy(metered)),
      batches: openBatches(handle, context.index % ranks),
      ...rates,
      stopRequested: context.stopRequested,
      warnings,
      onEvent: context.post,
    });
  });
});
