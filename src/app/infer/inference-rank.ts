// A rank of a loaded model, on a worker thread.
import { Communicator } from '../../communicators/communicator.js';
import {
  answerBatches,
  type InferenceJob,
  type InferenceMessage,
} from '../../serving/resident-rank.js';
import { createEngine } from '../ranks/engines.js';
import { countedParts } from '../ranks/rank-parts.js';
import { runRankProgram, withRankEngine } from '../ranks/rank-program.js';
import type { EngineChoice } from '../../engines/engine-list.js';

/** What `loadModel` gives every rank. */
export interface InferenceRankData {
  readonly job: InferenceJob;
  readonly engine: EngineChoice;
}

await runRankProgram<InferenceRankData>(async (context) => {
  const { job, engine: choice } = context.data;
  const make = () => createEngine(choice, { localRank: context.localRank });
  return withRankEngine(context, make, (bare) => {
    const { engine, communicator, meters } = countedParts(bare, context.transport);
    answerBatches(job, {
      engine,
      communicator,
      control: new Communicator(context.transport),
      exposedS: () => meters.exposedS(),
      index: context.index,
      post: (message: InferenceMessage) => context.post(message),
    });
  });
});
