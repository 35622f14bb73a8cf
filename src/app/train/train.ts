import { type ArrayData, IN_MEMORY } from '../../data/arrays.js';
import type { EndEvent, TrainingEvent } from '../../training/events.js';
import { findLauncher } from '../../communicators/launcher.js';
import { type RowsInMemory, trainOnRanks } from './train-on-ranks.js';
import type { TrainingSettings } from '../../settings/settings.js';

/** Settings of a run, each with the default that it has in the command; data by name, or in memory. */
export type TrainSettings = Partial<Omit<TrainingSettings, 'data' | 'validation'>> & {
  /** A known name (`fashion-10k`, `synthetic:teacher`), a file, a folder, or rows in memory. */
  readonly data?: string | ArrayData;
  /** A fraction of the rows, a second file, or rows in memory; null: the data's own part, if any. */
  readonly validation?: number | string | ArrayData | null;
};

/** How a run is watched, ended and continued. */
export interface TrainOptions {
  /** Takes what happens, in order. */
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Ends the run after the current step, with a checkpoint. */
  readonly stop?: AbortSignal;
  /** Run folder to go on with, from its newest checkpoint; the settings replace the run's. `auto`:
   * the run in `out`, from its newest whole checkpoint, or a new run where it has none. Rows in
   * memory are in no run folder: give them again. */
  readonly resume?: string;
}

/**
 * Trains a network from a script: the settings of a config file, on as many worker threads as
 * `ranks` says, or on the processes of an MPI job. What is not given has the same default as in the
 * command.
 *
 * @returns how the run ended: its folder, losses and accuracies, seconds and joules
 * @throws ConfigError, DataError, ShapeError, UnsupportedError before anything starts; TrainingError
 *   and CollectiveError when a rank fails
 *
 * @example
 * ```ts
 * import { train } from 'phantom-parallel';
 *
 * const xor = { x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0] };
 * const { validationAccuracy, runFolder } = await train({
 *   data: xor,
 *   validation: xor,
 *   width: 16,
 *   blocks: 2,
 *   ghosts: 4,
 *   batch: 4,
 *   steps: 300,
 *   lr: 0.01,
 *   out: 'runs/xor',
 * });
 * console.log(`${100 * (validationAccuracy ?? 0)}% correct, kept in ${runFolder}`);
 * ```
 */
export async function train(
  settings: TrainSettings,
  options: TrainOptions = {},
): Promise<EndEvent> {
  const { onEvent = () => {}, stop = new AbortController().signal, resume } = options;
  const { checkSettings } = await import('../../settings/checked-settings.js');
  const { settingsFor } = await import('./resume.js');
  const { named, rows } = withoutRows(settings);
  const given = checkSettings('train', named);
  const launcher = findLauncher();
  const found = settingsFor([given], resume, launcher);
  return trainOnRanks(found.settings, { onEvent, stop }, found.resume, {
    rows,
    launcher,
    given: found.given,
  });
}

/** Settings that name all data, and the rows in memory. */
function withoutRows(settings: TrainSettings): { named: object; rows: RowsInMemory } {
  const named: Record<string, unknown> = { ...settings };
  const rows: { data?: ArrayData; validation?: ArrayData } = {};
  for (const key of ['data', 'validation'] as const) {
    const value = settings[key];
    if (typeof value !== 'object' || value === null) continue;
    rows[key] = value;
    named[key] = IN_MEMORY;
  }
  return { named, rows };
}
