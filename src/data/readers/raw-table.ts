import { DataError } from '../../base/errors.js';
import {
  labelAnswers,
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
  /** [rows, answerWidth] */
  readonly y: ArrayLike<number>;
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
    requireFinite(where, path, x, features, raw.featureName ?? ((c) => `x[${c}]`));
  }
  const answers = makeAnswers(raw, options.answers ?? 'auto');
  return { kind: 'table', name: path, rows, features, imageLike, x, answers };
}

function makeAnswers(raw: RawTable, kind: 'auto' | 'labels' | 'values'): TableAnswers {
  const { where, path, y, answerWidth, integers } = raw;
  const nameOf = raw.answerName ?? ((c: number) => `y[${c}]`);
  if (kind === 'values' || (kind === 'auto' && !(integers && answerWidth === 1))) {
    const values = sharedFloat32(y.length);
    values.set(y);
    requireFinite(where, path, values, answerWidth, nameOf);
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
  return labelAnswers(where, path, labels);
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
