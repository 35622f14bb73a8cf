import type { EndEvent, TrainingEvent } from '../training/events.js';
import { resolveSettings } from './resolve.js';
import { trainRun } from './run.js';
import type { TrainingSettings } from './settings.js';

export interface TrainOptions {
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Ends the run after the current step, with a checkpoint. */
  readonly stop?: AbortSignal;
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
  { onEvent = () => {}, stop = new AbortController().signal }: TrainOptions = {},
): Promise<EndEvent> {
  return trainRun(resolveSettings([{ where: 'train', settings }]), { onEvent, stop }, null);
}
