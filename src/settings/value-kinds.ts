interface Integers<K> {
  readonly kind: K;
  readonly least: number;
  readonly most: number;
}

interface Numbers<K> {
  readonly kind: K;
  readonly least: number;
  /** Whether `least` itself is too small. */
  readonly above?: true;
  readonly most?: number;
  /** The least number that is too large. */
  readonly below?: number;
  /** Units that may follow the number on a command line, and their factors; `''`: of none. */
  readonly units?: Readonly<Record<string, number>>;
}

/** What values a setting, or a flag of a command, takes. */
export type Kind =
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  | Integers<'integer'>
  | Integers<'integers'>
  | Numbers<'number'>
  | Numbers<'numbers'>
  | {
      readonly kind: 'switch';
      /** What `--no-…` does, where that is the flag people need. */
      readonly off?: string;
    }
  | { readonly kind: 'text' }
  | { readonly kind: 'texts' }
  | { readonly kind: 'devices' }
  | { readonly kind: 'fraction-or-path' };

/** One setting or flag. */
export type Setting = Kind & {
  /** One line for `--help`, editors and the documentation. */
  readonly about: string;
  /** The default; null: not set, or decided later (`about` says how). */
  readonly initial: string | number | boolean | readonly number[] | null;
  /** What holds where `initial` is null, in words: `one per core`. */
  readonly fallback?: string;
  /** Whether it may be null: written so in a file, and as `none` on a command line, unless that is one
   * of its choices. `file`: in a file only, as `none` may be the name of a folder. */
  readonly nullable?: true | 'file';
  /** Whether it is, or may be, a path: `~` at its start is the home folder in a config file, as a
   * shell has it on a command line. */
  readonly path?: true;
  /** Of the value, in `--help`. */
  readonly placeholder?: string;
};

type PlainValue<S> = S extends { kind: 'choice'; choices: readonly (infer C)[] }
  ? C
  : S extends { kind: 'integer' | 'number' }
    ? number
    : S extends { kind: 'integers' | 'numbers' }
      ? readonly number[]
      : S extends { kind: 'switch' }
        ? boolean
        : S extends { kind: 'text' }
          ? string
          : S extends { kind: 'texts' }
            ? readonly string[]
            : S extends { kind: 'devices' }
              ? readonly (number | string)[]
              : number | string;

/** The values of a setting, as a type. */
export type ValueOf<S> =
  | PlainValue<S>
  | (S extends { readonly nullable: true | 'file' } ? null : never);
/** Units of a number of bytes. */
export const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
};

/** The largest integer that is exact. */
export const MOST = Number.MAX_SAFE_INTEGER;

/** Whether a value, of whatever type, is one of the setting. */
export function accepts(setting: Setting, value: unknown): boolean {
  if (value === null) return setting.nullable !== undefined;
  switch (setting.kind) {
    case 'choice':
      return (setting.choices as readonly unknown[]).includes(value);
    case 'integer':
    case 'number':
      return isWithin(setting, value);
    case 'integers':
    case 'numbers':
      return (
        Array.isArray(value) && value.length > 0 && value.every((one) => isWithin(setting, one))
      );
    case 'switch':
      return typeof value === 'boolean';
    case 'text':
      return isText(value);
    case 'texts':
      return Array.isArray(value) && value.length > 0 && value.every(isText);
    case 'devices':
      return Array.isArray(value) && value.length > 0 && value.every(isDevice);
    default:
      return isText(value) || (typeof value === 'number' && value >= 0 && value < 1);
  }
}

const isText = (value: unknown) => typeof value === 'string' && value !== '';

/** The largest number of a device. */
export const MOST_DEVICE = 1023;
/** A UUID of a device, or of a part of one (MIG), or how it begins. */
export const DEVICE_UUID = /^(GPU|MIG)-[\da-fA-F][\da-fA-F-]*$/;

function isDevice(value: unknown): boolean {
  if (typeof value === 'string') return DEVICE_UUID.test(value);
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MOST_DEVICE;
}

/** A setting of numbers. */
export type Numeric = Extract<Setting, { least: number }>;

function isWithin(setting: Numeric, value: unknown): boolean {
  if (typeof value !== 'number' || !Number.isFinite(value)) return false;
  if (setting.kind === 'integer' || setting.kind === 'integers') {
    return Number.isSafeInteger(value) && value >= setting.least && value <= setting.most;
  }
  const { above, below = Number.POSITIVE_INFINITY, least, most = value } = setting;
  return (above ? value > least : value >= least) && value <= most && value < below;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(?=[a-z]*$)/i;

/** The value that a text on a command line stands for; a text that stands for none is returned as
 * it is, which the setting does not accept. */
export function readText(setting: Setting, text: string): unknown {
  const isChoice = setting.kind === 'choice' && setting.choices.includes(text);
  if (setting.nullable === true && text === 'none' && !isChoice) return null;
  switch (setting.kind) {
    case 'integer':
      return numberOr(text);
    case 'fraction-or-path':
      return plainValue(setting, numberOr(text));
    case 'number':
      return numberOr(text, setting.units);
    case 'integers':
    case 'numbers':
      return text.split(',').map((part) => numberOr(part));
    case 'devices':
      return text.split(',').map((part) => numberOr(part.trim()));
    case 'texts':
      return text.split(',').map((part) => part.trim());
    default:
      return text;
  }
}

/** A value as settings keep it: `20%` of rows is 0.2. */
export function plainValue(setting: Setting, value: unknown): unknown {
  if (setting.kind !== 'fraction-or-path' || typeof value !== 'string') return value;
  const percent = /^\s*(\d+\.?\d*|\.\d+)\s*%\s*$/.exec(value)?.[1];
  return percent === undefined ? value : Number(percent) / 100;
}

function numberOr(text: string, units: Readonly<Record<string, number>> = { '': 1 }) {
  const trimmed = text.trim();
  const [digits] = NUMBER.exec(trimmed) ?? [];
  const unit = digits === undefined ? '' : trimmed.slice(digits.length);
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  return digits === undefined || factor === undefined ? text : factor * Number(digits);
}

/** What a value must be, as the end of an error message: `an integer of at least 1`. */
export function ruleOf(setting: Setting): string {
  switch (setting.kind) {
    case 'choice':
      return `one of ${setting.choices.join(', ')}`;
    case 'integer':
      return `an integer ${boundsOf(setting)}`;
    case 'integers':
      return `a list of integers ${boundsOf(setting)}, as in 4,16`;
    case 'number': {
      const units = Object.keys(setting.units ?? {}).filter((unit) => unit !== '');
      const own = units.length === 0 ? '' : `, alone or with ${units.join(', ')}`;
      return `a number ${boundsOf(setting)}${own}`;
    }
    case 'numbers':
      return `a list of numbers ${boundsOf(setting)}, as in 1e-3,3e-3`;
    case 'switch':
      return 'true or false';
    case 'text':
      return 'a text that is not empty';
    case 'texts':
      return 'a list of texts, as in a,b';
    case 'devices':
      return `a list of numbers from 0 to ${MOST_DEVICE} and of UUIDs or how they begin, as in 0,GPU-8932f937`;
    default:
      return 'a fraction of at least 0 and below 1, as 0.2 or 20%, or a path';
  }
}

/** `from 1 to 9`, `of at least 1`, `above 0 and below 1` */
function boundsOf(setting: Numeric): string {
  const { least, most = MOST } = setting;
  const { above, below } = limitsOf(setting);
  if (!above && below === undefined && most !== MOST) return `from ${least} to ${most}`;
  const lower = above ? `above ${least}` : `of at least ${least}`;
  if (below !== undefined) return `${lower} and below ${below}`;
  return most === MOST ? lower : `${lower} and at most ${most}`;
}

/** Those that only numbers can have, not integers. */
export function limitsOf(setting: Numeric): { readonly above?: true; readonly below?: number } {
  return setting.kind === 'integer' || setting.kind === 'integers' ? {} : setting;
}

/** A value for a message, on one line and not longer than a line. */
export function quoteValue(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'nothing');
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
