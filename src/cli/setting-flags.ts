import { type Command, Option } from 'commander';
import {
  flagOf,
  SETTING_GROUPS,
  SETTING_KEYS,
  settingOf,
  type SettingKey,
} from '../settings/keys.js';
import type { Setting } from '../settings/value-kinds.js';
import { UsageError } from './failure.js';

/** The flag of one setting, for a command that has a few of them. */
export function flagOption(key: SettingKey): Option {
  const [option] = optionsOf(key, settingOf(key));
  if (option === undefined) throw new TypeError(`${key} has no flag`);
  return option;
}

/** Gives a command a flag for every setting, or those of some keys, in the sections of the table. */
export function addSettingFlags(
  command: Command,
  keys: readonly SettingKey[] = SETTING_KEYS,
): void {
  for (const group of SETTING_GROUPS) {
    for (const key of keys) {
      if (settingOf(key).group !== group) continue;
      for (const option of optionsOf(key, settingOf(key))) {
        command.addOption(option.helpGroup(`${group}:`));
      }
    }
  }
}

/** The settings that were on the command line, by key; defaults are filled in elsewhere. */
export function givenFlags(command: Command): Record<string, string | boolean> {
  const options = command.opts<Record<string, string | boolean>>();
  return Object.fromEntries(
    SETTING_KEYS.flatMap((key) => {
      const value = options[key];
      const isGiven = command.getOptionValueSource(key) === 'cli';
      return isGiven && value !== undefined ? [[key, value]] : [];
    }),
  );
}

/** Settings as they stand on a command line: the inverse of `givenFlags`. */
export function flagArguments(given: Readonly<Record<string, string | boolean>>): string[] {
  return Object.entries(given).flatMap(([key, value]) => {
    const flag = flagOf(key);
    if (typeof value === 'string') return [`${flag}=${value}`];
    return [value ? flag : `--no-${flag.slice(2)}`];
  });
}

/** A flag with a value; a value that is a flag itself was forgotten.
 * @throws UsageError when parsed so */
export function valueOption(flags: string, about: string): Option {
  return new Option(flags, about).argParser((value: string) => {
    if (!value.startsWith('--')) return value;
    throw new UsageError('flags', `${flags.split(' ', 1)[0]} needs a value; ${value} follows it`);
  });
}

/** A flag with a number, of a command that has settings of its own.
 * @throws UsageError when parsed, for what is no number or out of its range */
export function numberOption(
  flags: string,
  about: string,
  { least, most, integer = true }: { least: number; most: number; integer?: boolean },
): Option {
  const flag = flags.split(' ', 1)[0] ?? '';
  const kind = integer ? 'an integer' : 'a number';
  return new Option(flags, about).argParser((text: string) => {
    const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    const fits = value >= least && value <= most && (!integer || Number.isInteger(value));
    if (fits) return value;
    throw new UsageError('flags', `${flag} is ${text}; needs ${kind} from ${least} to ${most}`);
  });
}

function optionsOf(key: string, setting: Setting): Option[] {
  const flag = flagOf(key);
  const off = `--no-${flag.slice(2)}`;
  if (setting.kind === 'switch') {
    const negative = new Option(off, setting.off ?? `not ${flag}`);
    const positive = new Option(flag, setting.about);
    return setting.initial === true
      ? [positive.hideHelp(), negative]
      : [positive, negative.hideHelp()];
  }
  const remarks = [
    ...(setting.kind === 'choice' ? [setting.choices.join(', ')] : []),
    ...(setting.initial === null ? [] : [`default: ${setting.initial}`]),
  ];
  const about = setting.about + (remarks.length === 0 ? '' : ` (${remarks.join('; ')})`);
  return [valueOption(`${flag} <${setting.placeholder ?? 'name'}>`, about)];
}
