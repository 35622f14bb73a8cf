import { Option } from 'commander';
import { UsageError } from './failure.js';

/** @throws UsageError when a flag that a command cannot do without was left out */
export function requiredOption<T extends string>(flag: string, value: T | undefined): T {
  if (value !== undefined) return value;
  throw new UsageError('flags', `${flag} is missing; see --help`);
}

/** K' of `predict` and `serve`; its range is the model's. @throws UsageError when parsed, for what is
 * no number */
export function ghostsOption(about: string): Option {
  const flag = '--ghosts-at-serving';
  return new Option(`${flag} <K'>`, about).argParser((text: string) => numberOf(flag, text));
}

/** @throws UsageError when the flag's value is no number */
export function numberOf(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new UsageError('flags', `${flag} is "${text}"; needs a number`);
}
