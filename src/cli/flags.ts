import { joinProblems, problemWith } from '../settings/given.js';
import { flagOf, SETTING_KEYS, settingOf, SETTINGS, type SettingKey } from '../settings/keys.js';
import type { SettingsSource } from '../settings/resolve.js';
import { MOST, readText, type Setting, type ValueOf } from '../settings/value-kinds.js';
import { DTYPES } from '../tensor/tensor.js';
import { UsageError } from './failure.js';

/** A flag of a command: what it takes, as for a setting, and how it is given. */
export type Flag = Setting & {
  /** Section of `--help`; without it, the last. */
  readonly group?: string;
  /** Whether the command cannot do without it. */
  readonly required?: true;
  /** Whether it can be given without a value, and is then true. */
  readonly bare?: true;
  /** Whether `--help` leaves it out. */
  readonly hidden?: true;
};

/** Flags by key: `maxRestarts` is `--max-restarts`. */
export type FlagTable = Readonly<Record<string, Flag>>;

/** What was on a command line, by key: a value's text, or whether a switch is on. */
export type TypedFlags = Readonly<Record<string, string | boolean>>;

type Missing<F> = F extends { readonly required: true }
  ? never
  : F extends { readonly initial: null }
    ? null
    : never;

/** A command's flags, read: those not given have their defaults, or null. */
export type FlagValues<T> = {
  readonly [K in keyof T]:
    | ValueOf<T[K]>
    | Missing<T[K]>
    | (T[K] extends { readonly bare: true } ? true : never);
};

export const JSON_FLAG = {
  kind: 'switch',
  about: 'print one JSON object and nothing else',
  initial: false,
} as const;

/** K' of a network that was trained with nested ghosts; its range is the network's. */
export const GHOSTS_FLAG = {
  kind: 'integer',
  least: 1,
  most: MOST,
  placeholder: "K'",
  about: "use the first K' ghosts of each block of a network trained with --nested-ghosts",
  initial: null,
  fallback: 'all',
} as const;

/** What products take where a network answers. */
export const COMPUTE_FLAG = {
  kind: 'choice',
  choices: DTYPES,
  placeholder: 'name',
  about: 'format of what is multiplied: weights and activations; sums stay float32',
  initial: null,
  nullable: true,
  fallback: 'as trained',
} as const;

/** Where threads run while a network answers. */
export const BIND_FLAG = flagLike(SETTINGS.bind, {
  initial: null,
  nullable: true,
  fallback: 'as trained, else auto',
});

/** What is opened of a run folder. */
export const CHECKPOINT_FLAG = {
  kind: 'text',
  placeholder: 'which',
  about: 'which checkpoint of a run: best by validation, last, step-100 or a path',
  initial: null,
  fallback: 'best, or last where nothing was validated',
} as const;

/** A config file on the command line. */
export const CONFIG_OPERAND = {
  name: 'config',
  about: 'YAML or JSON file of settings',
  count: 'at most one',
} as const;

/** A flag like a setting's, in a command where it stands for something else. */
export function flagLike<S extends Setting, const C extends Partial<Flag>>(
  setting: S,
  changes: C,
): Omit<S, keyof C | 'group'> & C {
  const { group: _, ...own } = setting as S & { readonly group?: string };
  return { ...own, ...changes } as Omit<S, keyof C | 'group'> & C;
}

/** All settings of a training run, or some, as flags. */
export function settingFlags<K extends SettingKey = SettingKey>(
  keys: readonly K[] = SETTING_KEYS as K[],
): Pick<typeof SETTINGS, K> {
  return Object.fromEntries(keys.map((key) => [key, SETTINGS[key]])) as Pick<typeof SETTINGS, K>;
}

/** Settings that a command knows only to refuse them. */
export function hiddenFlags(keys: readonly string[]): FlagTable {
  return Object.fromEntries(
    keys.map((key) => [key, { ...settingOf(key as SettingKey), hidden: true }]),
  );
}

/** The settings among what was typed. @throws UsageError with every problem, one per line */
export function givenSettings(typed: TypedFlags): SettingsSource {
  const given = settingsIn(typed);
  const settings = readFlags(SETTINGS, given);
  const entries = Object.keys(given).map((key) => [key, settings[key as SettingKey]]);
  return { where: 'flags', settings: Object.fromEntries(entries) as SettingsSource['settings'] };
}

/** Of what was typed, the settings. */
export function settingsIn(typed: TypedFlags): TypedFlags {
  return Object.fromEntries(Object.entries(typed).filter(([key]) => Object.hasOwn(SETTINGS, key)));
}

/** Reads what was typed. @throws UsageError with every problem, one per line */
export function readFlags<T extends FlagTable>(table: T, typed: TypedFlags): FlagValues<T> {
  const problems: { where: string; message: string }[] = [];
  const blame = (message: string) => problems.push({ where: 'flags', message });
  const values = Object.entries<Flag>(table).map(([key, flag]) => {
    const given = typed[key];
    if (given === undefined) {
      if (flag.required) blame(`${flagOf(key)} is missing; see --help`);
      return [key, flag.initial];
    }
    if (given === true && flag.bare) return [key, true];
    const value = typeof given === 'string' ? readText(flag, given) : given;
    const problem = problemWith(flagOf(key), flag, value);
    if (problem !== null) blame(problem);
    return [key, value];
  });
  if (problems.length > 0) throw new UsageError(...joinProblems(problems));
  return Object.fromEntries(values) as FlagValues<T>;
}

/** Flags as they stand on a command line: the inverse of reading it. */
export function flagArguments(typed: TypedFlags): string[] {
  return Object.entries(typed).flatMap(([key, value]) => {
    const flag = flagOf(key);
    if (typeof value === 'string') return [`${flag}=${value}`];
    return [value ? flag : `--no-${flag.slice(2)}`];
  });
}
