import type { EndEvent, TrainingEvent } from '../../training/events.js';
import { trainOnRanks } from './train-on-ranks.js';
import type { TrainingSettings } from '../../settings/settings.js';

export interface TrainOptions {
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Ends the run after the current step, with a checkpoint. */
  readonly stop?: AbortSignal;
  /** Run folder to go on with, from its newest checkpoint; the settings replace the run's. `auto`:
   * the run in `out`, from its newest whole checkpoint, or a new run where it has none. */
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
  const { checkSettings } = await import('../../settings/load.js');
  const { settingsFor } = await import('./resume.js');
  const given = checkSettings('train', settings);
  const found = settingsFor([given], resume);
  return trainOnRanks(found.settings, { onEvent, stop }, found.resume);
}
