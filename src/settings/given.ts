import { hint, nearestName } from '../base/nearest.js';
import { SETTING_KEYS, type SettingKey, settingOf } from './keys.js';
import type { TrainingSettings } from './settings.js';
import { accepts, plainValue, quoteValue, ruleOf, type Setting } from './value-kinds.js';

/** Settings that somebody gave: a file, flags or a run folder. */
export type GivenSettings = { -readonly [K in keyof TrainingSettings]?: TrainingSettings[K] };

/** Something that is wrong with a given key; null: with all of it. */
export interface Problem {
  readonly key: string | null;
  readonly message: string;
}

/**
 * Checks keys, types and ranges of what was given, each value by itself.
 */
export function checkGiven(given: unknown): {
  readonly settings: GivenSettings;
  readonly problems: readonly Problem[];
} {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    const message = `${quoteValue(given)} is not a table of keys and values`;
    return { settings: {}, problems: [{ key: null, message }] };
  }
  const problems: Problem[] = [];
  const settings: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const message = isKey(key)
      ? problemWith(key, settingOf(key), plainValue(settingOf(key), value))
      : `unknown key ${quoteValue(key)}${hint(key, SETTING_KEYS)}`;
    if (message !== null) problems.push({ key, message });
    else settings[key] = isKey(key) ? plainValue(settingOf(key), value) : value;
  }
  return { settings: problems.length === 0 ? settings : {}, problems };
}

const isKey = (key: string): key is SettingKey => (SETTING_KEYS as readonly string[]).includes(key);

/** What is wrong with a value, or null. */
export function problemWith(name: string, setting: Setting, value: unknown): string | null {
  if (accepts(setting, value)) return null;
  const near = setting.kind === 'choice' ? nearestName(String(value), setting.choices) : null;
  const rule = ruleOf(setting) + (near === null ? '' : `; did you mean ${near}?`);
  return `${name} is ${quoteValue(value)}; needs ${rule}`;
}

const MAX_PROBLEMS = 8;

/**
 * Several problems as the two parts of one error, whose message has a line for each, of the form
 * that errors have.
 */
export function joinProblems(
  problems: readonly { readonly where: string; readonly message: string }[],
): [where: string, what: string] {
  const [first, ...others] = problems.slice(0, MAX_PROBLEMS);
  const rest = others.map(({ where, message }) => `\n[${where}] ${message}`);
  const left = problems.length - MAX_PROBLEMS;
  if (left > 0) rest.push(`\n[${first?.where}] … and ${left} more`);
  return [first?.where ?? '', `${first?.message ?? ''}${rest.join('')}`];
}

/** Whether two values of a key are the same. */
export function sameSetting(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
