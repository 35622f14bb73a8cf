import { DataError } from '../../base/errors.js';
import {
  labelAnswers,
  MAX_CLASSES,
  requireFinite,
  sharedFloat32,
  sharedInt32,
  type TableAnswers,
  type TableDataset,
} from '../dataset.js';

/** How the numbers of a file without named columns are understood. */
export interface ReadOptions {
  /** `labels` are class indices, `values` numbers to come near to. Default `auto`: one column of
   * integers is labels, anything else values. */
  readonly answers?: 'auto' | 'labels' | 'values';
}

/** What a reader found. */
export interface RawTable {
  /** The format (`csv`, `npy`, …), for error messages. */
  readonly where: string;
  readonly path: string;
  readonly rows: number;
  readonly features: number;
  /** [rows, features], in shared memory when a table is made of it. */
  readonly x: Uint8Array | Float32Array;
  /** [rows, answerWidth]; texts name classes. */
  readonly y: ArrayLike<number> | readonly string[];
  readonly answerWidth: number;
  /** Whether y can hold nothing but integers: by its type, or as written. */
  readonly integers: boolean;
  readonly imageLike?: boolean;
  readonly featureName?: (column: number) => string;
  readonly answerName?: (column: number) => string;
}

/**
 * Checks what a reader found and makes a data set of it.
 *
 * @throws DataError for no rows, values that are not finite, or labels that are no class indices.
 */
export function makeTable(raw: RawTable, options: ReadOptions): TableDataset {
  const { where, path, rows, features, x, imageLike = false } = raw;
  if (rows === 0) throw new DataError(where, `${path}: no rows; at least one is needed`);
  if (features === 0) throw new DataError(where, `${path}: no feature columns besides the targets`);
  if (raw.answerWidth === 0) throw new DataError(where, `${path}: no targets`);
  if (x instanceof Float32Array) {
    requireFinite(raw, x, features, raw.featureName ?? ((c) => `x[${c}]`));
  }
  const answers = makeAnswers(raw, options.answers ?? 'auto');
  return { kind: 'table', name: path, rows, features, imageLike, x, answers };
}

function makeAnswers(raw: RawTable, kind: 'auto' | 'labels' | 'values'): TableAnswers {
  const { where, path, answerWidth, integers } = raw;
  if (isTexts(raw.y)) {
    if (kind === 'values') {
      throw new DataError(where, `${path}: y holds texts; --task classify predicts them`);
    }
    return namedAnswers(where, path, raw.y);
  }
  const { y } = raw;
  const nameOf = raw.answerName ?? ((c: number) => `y[${c}]`);
  if (kind === 'values' || (kind === 'auto' && !(integers && answerWidth === 1))) {
    const values = sharedFloat32(y.length);
    values.set(y);
    requireFinite(raw, values, answerWidth, nameOf);
    return { kind: 'values', width: answerWidth, values };
  }
  if (answerWidth !== 1) {
    throw new DataError(where, `${path}: ${answerWidth} target columns; labels are one column`);
  }
  const labels = sharedInt32(y.length);
  for (let row = 0; row < labels.length; row++) {
    const value = y[row] as number;
    labels[row] = value;
    if (labels[row] === value) continue;
    throw new DataError(
      where,
      `${path}: ${nameOf(0)} of row ${row} is ${value}; labels are integers from 0`,
    );
  }
  return integerAnswers(where, path, labels);
}

/** Classes of integers: indices where they begin at 0; others are names, as 1 to 26, or −1 and 1. */
export function integerAnswers(where: string, path: string, labels: Int32Array): TableAnswers {
  const least = labels.reduce((a, b) => Math.min(a, b), 0x7fffffff);
  if (least === 0) return labelAnswers(where, path, labels);
  return namedAnswers(where, path, Array.from(labels, String));
}

const isTexts = (y: RawTable['y']): y is readonly string[] => typeof y[0] === 'string';

/** Classes by their names. @throws DataError for too many */
export function namedAnswers(where: string, path: string, texts: readonly string[]): TableAnswers {
  const names = sortedNames(new Set(texts));
  if (names.length > MAX_CLASSES) {
    throw new DataError(
      where,
      `${path}: y has ${names.length} classes, at most ${MAX_CLASSES} are possible; --task regress fits numbers`,
    );
  }
  const places = new Map(names.map((name, i) => [name, i]));
  const labels = sharedInt32(texts.length);
  for (const [row, text] of texts.entries()) labels[row] = places.get(text) ?? 0;
  return { kind: 'labels', classes: names.length, labels, names };
}

/** Numbers by value, texts by code point. */
export function sortedNames(names: Iterable<string>): string[] {
  const texts = [...names];
  const numbers = texts.every((text) => text !== '' && Number.isFinite(Number(text)));
  return numbers ? texts.toSorted((a, b) => Number(a) - Number(b)) : texts.toSorted();
}

/** @throws DataError when x and y do not have a row for each other. */
export function requireSameRows(where: string, path: string, x: number, y: number): void {
  if (x === y) return;
  throw new DataError(where, `${path}: x has ${x} rows and y ${y}; each row needs its answer`);
}

/** Product of the sizes after the first: an image becomes one row of pixels. */
export function rowWidth(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, size) => product * size, 1);
}
