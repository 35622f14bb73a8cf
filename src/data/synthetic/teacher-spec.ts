import { DataError } from '../../base/errors.js';

export const TEACHER_ACTIVATIONS = ['relu', 'silu', 'tanh', 'identity'] as const;
export type TeacherActivation = (typeof TEACHER_ACTIVATIONS)[number];

/** A network whose answers are learned; see `synthetic/teacher.ts` for what its rows are. */
export interface TeacherSpec {
  /** Features, hidden widths …, answers: two sizes or more. */
  readonly widths: readonly number[];
  readonly activation: TeacherActivation;
  /** Standard deviation of what is added to each answer, whose own is about 1. */
  readonly noise: number;
  readonly seed: number;
  /** `values`: the answers themselves; `argmax`: the index of the largest, as a label. */
  readonly labels: 'values' | 'argmax';
  /** Rows of the validation part; 0 for none. */
  readonly validation: number;
}

export const DEFAULT_TEACHER: TeacherSpec = {
  widths: [64, 256, 256, 10],
  activation: 'relu',
  noise: 0,
  seed: 0,
  labels: 'values',
  validation: 2048,
};

const NAME = 'synthetic:teacher';
const WHERE = 'synthetic:teacher';
const MAX_WIDTH = 1 << 20;
const MAX_WEIGHTS = 1 << 28;

/** Whether a data name asks for a teacher. */
export function isTeacherName(name: string): boolean {
  return name === NAME || name.startsWith(`${NAME}?`);
}

/**
 * Reads `synthetic:teacher?widths=64,256,10&noise=0.01&seed=7&activation=relu&labels=argmax&
 * validation=2048`; what is left out has its default.
 *
 * @throws DataError for an unknown parameter or a value that is out of range.
 */
export function parseTeacherName(name: string): TeacherSpec {
  const spec: { -readonly [K in keyof TeacherSpec]: TeacherSpec[K] } = { ...DEFAULT_TEACHER };
  const seen = new Set<string>();
  const query = name.slice(NAME.length + 1);
  for (const part of query === '' ? [] : query.split('&')) {
    const [key = '', value = ''] = part.split(/=(.*)/s);
    if (seen.has(key)) throw new DataError(WHERE, `${key} is given twice`);
    seen.add(key);
    if (key === 'widths') spec.widths = value.split(',').map((text) => integer(key, text, 1));
    else if (key === 'noise') spec.noise = nonNegative(key, value);
    else if (key === 'seed') spec.seed = integer(key, value, 0);
    else if (key === 'validation') spec.validation = integer(key, value, 0);
    else if (key === 'activation') spec.activation = oneOf(key, value, TEACHER_ACTIVATIONS);
    else if (key === 'labels') spec.labels = oneOf(key, value, ['values', 'argmax'] as const);
    else {
      const known = Object.keys(DEFAULT_TEACHER).join(', ');
      throw new DataError(WHERE, `unknown parameter ${key}; known are ${known}`);
    }
  }
  checkWidths(spec.widths);
  return spec;
}

/** The name that `parseTeacherName` reads back as the same specification. */
export function formatTeacherName(spec: TeacherSpec): string {
  const { widths, noise, seed, activation, labels, validation } = spec;
  return (
    `${NAME}?widths=${widths.join(',')}&noise=${noise}&seed=${seed}` +
    `&activation=${activation}&labels=${labels}&validation=${validation}`
  );
}

function checkWidths(widths: readonly number[]): void {
  const text = widths.join(',');
  if (widths.length < 2) {
    throw new DataError(WHERE, `widths=${text}; at least the features and the answers are needed`);
  }
  if (widths.some((width) => width > MAX_WIDTH)) {
    throw new DataError(WHERE, `widths=${text}; a width is at most ${MAX_WIDTH}`);
  }
  let weights = 0;
  for (let i = 1; i < widths.length; i++) {
    weights += (widths[i - 1] as number) * (widths[i] as number);
  }
  if (weights > MAX_WEIGHTS) {
    throw new DataError(WHERE, `widths=${text} need ${weights} weights; at most ${MAX_WEIGHTS}`);
  }
}

function integer(key: string, text: string, least: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new DataError(WHERE, `${key}=${text}; an integer of at least ${least} is needed`);
}

function nonNegative(key: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new DataError(WHERE, `${key}=${text}; a number of at least 0 is needed`);
}

function oneOf<T extends string>(key: string, text: string, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  throw new DataError(WHERE, `${key}=${text}; one of ${choices.join(', ')} is needed`);
}
