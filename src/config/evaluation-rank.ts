// A rank of an evaluation, on a worker thread.
import { type LoaderHandle, openBatches } from '../data/loader/loader.js';
import { type EvaluationJob, runEvaluation } from '../training/evaluate.js';
import { createEngine } from './engines.js';
import { countedParts } from './rank-parts.js';
import { runRankProgram } from './rank-program.js';
import type { EngineChoice } from './settings.js';

/** What `evaluateRun` gives every rank. */
export interface EvaluationRankData {
  readonly job: EvaluationJob;
  readonly engine: EngineChoice;
  readonly relaxedSimd: boolean;
  readonly batches: LoaderHandle;
}

await runRankProgram<EvaluationRankData>(async (context) => {
  const { job, engine: choice, relaxedSimd, batches } = context.data;
  const bare = await context.uninterrupted(() => createEngine(choice, { relaxedSimd }));
  const parts = countedParts(bare, context.transport);
  return runEvaluation(job, { ...parts, batches: openBatches(batches, context.index) });
});
