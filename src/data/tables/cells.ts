/** Spellings of "no value", in lower case: pandas', R's, SQL's, spreadsheets' and WEKA's. */
export const MISSING_SPELLINGS: readonly string[] = [
  '',
  '?',
  '-',
  '--',
  '.',
  '#n/a',
  '#n/a n/a',
  '#na',
  '<na>',
  'n/a',
  'na',
  'nan',
  '-nan',
  'none',
  'null',
  'nil',
  'nat',
];

/** In the cases that files use: `na`, `NA`, `Na`, `NaN`. */
export const MISSING_IN_CASES: readonly string[] = [
  ...new Set(
    MISSING_SPELLINGS.flatMap((text) => [
      text,
      text.toUpperCase(),
      text.charAt(0).toUpperCase() + text.slice(1),
    ]),
  ),
  'NaN',
  '-NaN',
  'NaT',
];

const MISSING = new Set(MISSING_SPELLINGS);
/** White space that files have around cells, the no-break space too. */
export const BLANKS = ' \t\r\n\u00a0';

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

const ENDS = new RegExp(`^[${BLANKS}]+|[${BLANKS}]+$`, 'g');

/** A cell without the blanks around it. */
export function trimmed(cell: string): string {
  return cell.replace(ENDS, '');
}

/** Whether a cell of text says that there is no value. */
export function isMissing(cell: string): boolean {
  return MISSING.has(trimmed(cell).toLowerCase());
}

/** Whether a cell is a decimal number with a point; no thousands, no units, not hexadecimal. */
export function isPlainNumber(cell: string): boolean {
  return NUMBER.test(cell.trim());
}

/**
 * Ways to write numbers; `padded` are plain ones among blanks or rare spellings of "missing". Each
 * turns a trimmed cell of its form into a plain number. One value at least must be of the pattern
 * `sure`, where the form could also mean something else.
 */
export interface NumberStyle {
  readonly name: string;
  /** For people: what is read. */
  readonly about: string;
  readonly form: string;
  readonly sure?: string;
  /** Replacements, one after another, as SQL `regexp_replace(…, 'g')` and JavaScript read them. */
  readonly replace: readonly (readonly [pattern: string, by: string])[];
}

const DIGITS = String.raw`[+-]?[0-9]+`;
const POINT = String.raw`[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)`;
const PLAIN = `^${POINT}([eE][+-]?[0-9]+)?$`;

export const NUMBER_STYLES: readonly NumberStyle[] = [
  { name: 'plain', about: '', form: PLAIN, replace: [] },
  { name: 'padded', about: '', form: PLAIN, replace: [] },
  {
    name: 'minus-sign',
    about: 'numbers with a typographic minus sign',
    form: `^[−–]?${POINT}$`,
    replace: [['[−–]', '-']],
  },
  {
    name: 'fortran',
    about: "numbers with Fortran's exponent D",
    form: `^${POINT}([eEdD][+-]?[0-9]+)?$`,
    replace: [
      ['[dD]', 'E'],
      [String.raw`^\+`, ''],
    ],
  },
  {
    name: 'underscores',
    about: 'numbers with underscores between thousands',
    form: String.raw`^[+-]?([0-9]+|[0-9]{1,3}(_[0-9]{3})+)(\.[0-9]+)?$`,
    replace: [['_', '']],
  },
  {
    name: 'thousands',
    about: 'numbers with commas between thousands',
    form: String.raw`^[+-]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]+)?$`,
    sure: String.raw`(,[0-9]{3}){2}|,[0-9]{3}\.`,
    replace: [[',', '']],
  },
  {
    name: 'decimal-comma',
    about: 'numbers with a decimal comma',
    form: String.raw`^[+-]?([0-9]+|[0-9]{1,3}([.][0-9]{3})+)?(,[0-9]+)?$`,
    sure: String.raw`,([0-9]{1,2}|[0-9]{4,})$|^[+-]?0,|[.][0-9]{3},`,
    replace: [
      [String.raw`\.`, ''],
      [',', '.'],
    ],
  },
  {
    name: 'percent',
    about: 'numbers with a percent sign; 12% is 12',
    form: String.raw`^${POINT} ?%$`,
    replace: [[' ?%', '']],
  },
  {
    name: 'currency',
    about: 'amounts of money',
    form: String.raw`^[+-]?[$€£¥] ?[0-9]+([.][0-9]+)?$|^${DIGITS}([.][0-9]+)? ?[$€£¥]$|^[+-]?[$€£¥] ?[0-9]{1,3}(,[0-9]{3})+([.][0-9]+)?$`,
    replace: [['[$€£¥, ]', '']],
  },
];
