// A rank of an evaluation, on a worker thread.
import { type LoaderHandle, openBatches } from '../../data/loader/loader.js';
import { type EvaluationJob, runEvaluation } from '../../training/evaluate.js';
import { createEngine } from '../ranks/engines.js';
import { countedParts } from '../ranks/rank-parts.js';
import { type MeterPlace, rankEnergy } from '../ranks/rank-meter.js';
import { runRankProgram, withRankEngine } from '../ranks/rank-program.js';
import type { EngineChoice } from '../../engines/engine-list.js';
import type { TrainingSettings } from '../../settings/settings.js';

/** What `evaluate` gives every rank. */
export interface EvaluationRankData {
  readonly job: EvaluationJob;
  readonly engine: EngineChoice;
  readonly relaxedSimd: boolean;
  readonly metering: Pick<TrainingSettings, 'meter' | 'machine'>;
  readonly place: MeterPlace;
  readonly batches: LoaderHandle;
}

await runRankProgram<EvaluationRankData>(async (context) => {
  const { job, engine: choice, relaxedSimd, batches, metering: settings, place } = context.data;
  const make = () => createEngine(choice, { relaxedSimd, localRank: context.localRank });
  return withRankEngine(context, make, async (bare) => {
    const parts = countedParts(bare, context.transport);
    const metered = { ...settings, ...place, ...parts, index: context.index };
    return runEvaluation(job, {
      ...parts,
      energy: await context.uninterrupted(() => rankEnergy(metered)),
      batches: openBatches(batches, context.index),
    });
  });
});
