import type { EndEvent, TrainingEvent } from '../training/events.js';
import { readRunConfig } from '../training/run-folder.js';
import { withModel } from './from-model.js';
import { resolveSettings } from './resolve.js';
import { trainRun } from './run.js';
import type { TrainingSettings } from './settings.js';

export interface TrainOptions {
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Ends the run after the current step, with a checkpoint. */
  readonly stop?: AbortSignal;
  /** Run folder to go on with, from its newest checkpoint; the settings replace the run's. */
  readonly resume?: string;
}

/**
 * Trains a network from a script: the settings of a config file, over as many worker threads as
 * `ranks` says. What is not given has the same default as in the command.
 *
 * @returns how the run ended, with its folder
 * @throws ConfigError, DataError, UnsupportedError before anything starts; TrainingError and
 *   CollectiveError when a rank fails
 */
export async function train(
  settings: Partial<TrainingSettings>,
  { onEvent = () => {}, stop = new AbortController().signal, resume }: TrainOptions = {},
): Promise<EndEvent> {
  // zod takes its time to load; who trains has it.
  const { checkRecorded, checkResumable, checkSettings } = await import('./load.js');
  const given = checkSettings('train', settings);
  if (resume === undefined) {
    return trainRun(resolveSettings(withModel([given])), { onEvent, stop }, null);
  }
  const recorded = checkRecorded(resume, readRunConfig(resume).settings);
  checkResumable(recorded.settings, given.settings);
  return trainRun(resolveSettings([recorded, given]), { onEvent, stop }, resume);
}
