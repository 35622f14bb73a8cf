import path from 'node:path';
import type { Launcher } from '../../communicators/launcher.js';
import { ConfigError } from '../../base/errors.js';
import { listCheckpoints } from '../../checkpoints/checkpoint-list.js';
import { readRunConfig } from '../../checkpoints/run-folder.js';
import { withModel } from './from-model.js';
import { checkRecorded, checkResumable } from '../../settings/checked-settings.js';
import { resolveSettings, type SettingsSource } from '../../settings/resolve.js';
import type { TrainingSettings } from '../../settings/settings.js';

/** A run to go on with, and from which of its checkpoints. */
export interface Resume {
  readonly runFolder: string;
  /** `newest`: it has to be whole. `newest-whole`: damaged ones are put aside with a warning each;
   * the run starts anew where none is left. */
  readonly from: 'newest' | 'newest-whole';
}

/** A run, ready to start. */
export interface ResolvedRun {
  readonly settings: TrainingSettings;
  /** null: a new run. */
  readonly resume: Resume | null;
  /** Keys of settings that somebody gave now. */
  readonly given: ReadonlySet<string>;
}

/**
 * Puts settings together for a run that is new or goes on.
 *
 * @param resume a run folder, to go on from its newest checkpoint; `auto`: with the run in the
 *   folder that `out` names, from its newest whole checkpoint, or anew where it has none;
 *   undefined: a new run
 * @param given over what the run recorded
 * @param launcher what will start the ranks, or has, and so sets their number
 * @throws ConfigError when settings do not fit one another or the run; CheckpointError when the
 *   folder holds no run
 */
export function settingsFor(
  given: readonly SettingsSource[],
  resume: string | undefined,
  launcher: Pick<Launcher, 'name' | 'size'> | null,
): ResolvedRun {
  const keys = given.flatMap(({ settings }) => Object.keys(settings));
  return { ...resolvedRun(given, resume, launcher), given: new Set(keys) };
}

function resolvedRun(
  given: readonly SettingsSource[],
  resume: string | undefined,
  launcher: Pick<Launcher, 'name' | 'size'> | null,
): Omit<ResolvedRun, 'given'> {
  const found = resume === 'auto' ? runIn(folderOf(given)) : newest(resume);
  if (found === null) {
    return { settings: resolveSettings(withModel(given), launcher), resume: null };
  }
  const where = `${found.runFolder}/config.json`;
  const recorded = checkRecorded(where, readRunConfig(found.runFolder).settings);
  for (const { settings } of given) checkResumable(recorded.settings, settings);
  // A launcher says on how many ranks it goes on.
  const { ranks: _ranks, ...others } = recorded.settings;
  const base = launcher === null ? recorded : { ...recorded, settings: others };
  return { settings: resolveSettings([base, ...given], launcher), resume: found };
}

function newest(runFolder: string | undefined): Resume | null {
  return runFolder === undefined ? null : { runFolder, from: 'newest' };
}

function folderOf(given: readonly SettingsSource[]): string {
  const out = given.findLast(({ settings }) => typeof settings.out === 'string')?.settings.out;
  if (typeof out === 'string') return out;
  throw new ConfigError('resume', 'auto needs a run folder; set --out (out in a config file)');
}

function runIn(runFolder: string): Resume | null {
  const found = listCheckpoints(path.join(runFolder, 'checkpoints'));
  return found.length === 0 ? null : { runFolder, from: 'newest-whole' };
}
