import { ConfigError } from '../base/errors.js';
import { checkGiven, type GivenSettings, joinProblems, sameSetting } from './given.js';
import { flagOf, SETTING_KEYS, SETTINGS } from './keys.js';
import type { SettingsSource } from './resolve.js';

/**
 * Settings as a program gave them, which types need not have checked.
 *
 * @throws ConfigError with every problem, one a line
 */
export function checkSettings(where: string, given: unknown): SettingsSource {
  const { settings, problems } = checkGiven(given);
  if (problems.length > 0) {
    const lines = problems.map(({ message }) => ({ where, message }));
    throw new ConfigError(...joinProblems(lines));
  }
  return { where, settings };
}

/**
 * Settings that a run folder recorded, for going on with it.
 *
 * @throws ConfigError when they are not settings of this version
 */
export function checkRecorded(where: string, recorded: unknown): SettingsSource {
  const { settings } = checkSettings(where, recorded);
  // A run folder says everything: what it leaves out would silently become a default.
  const missing = SETTING_KEYS.filter((key) => !(key in settings));
  if (missing.length > 0) {
    throw new ConfigError(
      where,
      `${missing.join(', ')} missing; it is damaged or of another version`,
    );
  }
  return { where, settings };
}

/** Refuses flags that would change the network or the optimizer state of a run that is resumed. What is
 * made again changes neither. */
export function checkResumable(recorded: GivenSettings, flags: GivenSettings): void {
  const fixed = SETTING_KEYS.filter(
    (key) => (SETTINGS[key].group === 'Network' && key !== 'recompute') || key === 'optimizer',
  );
  for (const key of fixed) {
    if (flags[key] === undefined || sameSetting(flags[key], recorded[key])) continue;
    throw new ConfigError(
      'resume',
      `${flagOf(key)} ${flags[key]}, but the run has ${key} ${recorded[key]}; ` +
        'a resumed run keeps its network and optimizer: start a new one, without --resume',
    );
  }
}
