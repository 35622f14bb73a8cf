import { DataError, ShapeError } from '../base/errors.js';
import {
  requireFinite,
  sharedFloat32,
  sharedInt32,
  type TableAnswers,
  type TableDataset,
} from './dataset.js';
import { integerAnswers, namedAnswers } from './readers/raw-table.js';

/** Numbers of [rows, columns], row after row. */
export interface FlatRows {
  readonly data: Float32Array;
  /** Rows and columns. */
  readonly shape: readonly [rows: number, columns: number];
}

/** Rows of equally many numbers: one array per row, or all in one. */
export type Rows = readonly ArrayLike<number>[] | FlatRows;

/** Rows in memory, in place of a file. */
export interface ArrayData {
  /** [rows, features]; a Float32Array on shared memory is used without a copy. */
  readonly x: Rows;
  /**
   * The answer to each row of `x`. Integers, in a plain or an integer array, texts and booleans are
   * class labels; those that do not begin at 0 are the names of the classes. A plain array with a
   * fraction in it, a Float32Array or a Float64Array holds one number per row to predict; `Rows` hold
   * several, and one where it is an integer: `[[3], [7]]`.
   */
  readonly y: ArrayLike<number> | readonly string[] | readonly boolean[] | Rows;
  /** How much each row counts, in the loss and in metrics: numbers of at least 0, not all 0. Left out:
   * all rows count the same. */
  readonly weights?: ArrayLike<number>;
}

/** What settings and records call rows that were given in memory. */
export const IN_MEMORY = 'in memory';

/**
 * Makes a data set of arrays.
 *
 * @throws ShapeError for rows of unequal lengths or counts, DataError for values that are not finite
 *   numbers, or labels of several kinds
 */
export function openArrays({ x, y, weights }: ArrayData): TableDataset {
  const features = flatRows('data', 'x', x);
  const [rows, width] = features.shape;
  if (rows === 0 || width === 0) {
    throw new ShapeError(
      'data',
      `x has ${rows} rows of ${width} features; needs at least one each`,
    );
  }
  requireFinite(
    { where: 'data', path: IN_MEMORY },
    features.data,
    width,
    (column) => `x[${column}]`,
  );
  const answers = answersOf(y);
  const count =
    answers.kind === 'labels' ? answers.labels.length : answers.values.length / answers.width;
  if (count !== rows) {
    throw new ShapeError('data', `x has ${rows} rows and y ${count}; each row needs its answer`);
  }
  const common = { name: IN_MEMORY, rows, features: width, imageLike: false };
  const table = { kind: 'table', ...common, x: features.data, answers } as const;
  return weights === undefined ? table : { ...table, weights: weightsOf(weights, rows) };
}

function weightsOf(weights: ArrayLike<number>, rows: number): Float32Array {
  if (!isObject(weights) || weights.length !== rows) {
    const found = isObject(weights) ? `has ${weights.length} numbers` : `is ${quote(weights)}`;
    throw new ShapeError('data', `weights ${found}; needs one for each of the ${rows} rows of x`);
  }
  const values = sharedFloat32(rows);
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const value: unknown = weights[row];
    requireNumber('data', `weights: row ${row}`, value);
    if (!(value >= 0 && Number.isFinite(Math.fround(value)))) {
      throw new DataError(
        'data',
        `weights: row ${row} is ${value}; weights are at least 0 and finite`,
      );
    }
    values[row] = value;
    sum += value;
  }
  if (sum > 0) return values;
  throw new DataError('data', 'weights are all 0; some rows have to count');
}

/**
 * Rows as one array on shared memory.
 *
 * @param columns of a row; left out: as many as the first row has
 * @throws ShapeError unless every row has as many, DataError for what is not a number
 */
export function flatRows(where: string, name: string, rows: Rows, columns?: number): FlatRows {
  if (rows instanceof Float32Array || !isObject(rows)) {
    const what = rows instanceof Float32Array ? 'a Float32Array without a shape' : quote(rows);
    throw new ShapeError(
      where,
      `${name} is ${what}; needs an array of rows, or { data, shape: [rows, columns] }`,
    );
  }
  if (isFlat(rows)) return withShape(where, name, rows);
  const width = columns ?? rows[0]?.length ?? 0;
  const data = sharedFloat32(rows.length * width);
  for (const [i, row] of rows.entries()) {
    if (!isObject(row) || row.length !== width) {
      const found = isObject(row) ? `has ${row.length} numbers` : `is ${quote(row)}, not an array`;
      const wanted = width === 0 ? 'an array of rows' : `[rows, ${width}], an array per row`;
      throw new ShapeError(where, `${name}: row ${i} ${found}; needs ${wanted}`);
    }
    for (let j = 0; j < width; j++) {
      requireNumber(where, `${name}: column ${j} of row ${i}`, row[j]);
      data[i * width + j] = row[j] as number;
    }
  }
  return { data, shape: [rows.length, width] };
}

function withShape(where: string, name: string, { data, shape }: FlatRows): FlatRows {
  const [rows, columns] = shape;
  if (!(data instanceof Float32Array) || shape.length !== 2 || data.length !== rows * columns) {
    const found = data instanceof Float32Array ? `${data.length} numbers` : 'no Float32Array';
    throw new ShapeError(
      where,
      `${name} has the shape [${shape.join(', ')}] and ${found}; needs [rows, columns] and a ` +
        'Float32Array of rows × columns',
    );
  }
  if (data.buffer instanceof SharedArrayBuffer) return { data, shape };
  const shared = sharedFloat32(data.length);
  shared.set(data);
  return { data: shared, shape };
}

function answersOf(y: ArrayData['y']): TableAnswers {
  if (isObject(y) && (isFlat(y) || isObject(y[0]))) {
    const { data, shape } = flatRows('data', 'y', y as Rows);
    requireFinite({ where: 'data', path: IN_MEMORY }, data, shape[1], (column) => `y[${column}]`);
    return { kind: 'values', width: shape[1], values: data };
  }
  if (!isObject(y) || typeof y.length !== 'number') {
    throw new ShapeError(
      'data',
      `y is ${quote(y)}; needs an array with an answer for each row of x`,
    );
  }
  const kind = typeof y[0];
  if (kind === 'string' || kind === 'boolean') {
    const texts = Array.from(y as ArrayLike<unknown>, (value, row) => {
      if (typeof value === kind) return String(value);
      throw new DataError('data', `y: row ${row} is ${quote(value)}; needs a ${kind}, as row 0 is`);
    });
    return namedAnswers('data', IN_MEMORY, texts);
  }
  const numbers = y as ArrayLike<number>;
  const isFloat = y instanceof Float32Array || y instanceof Float64Array;
  let labels = !isFloat;
  for (let row = 0; row < numbers.length; row++) {
    const value = numbers[row];
    requireNumber('data', `y: row ${row}`, value);
    // Larger integers are no class indices.
    if (value !== Math.trunc(value) || Math.abs(value) >= 2 ** 31) labels = false;
  }
  if (!labels) {
    const values = sharedFloat32(numbers.length);
    values.set(numbers);
    requireFinite({ where: 'data', path: IN_MEMORY }, values, 1, () => 'y');
    return { kind: 'values', width: 1, values };
  }
  const indices = sharedInt32(numbers.length);
  indices.set(numbers);
  return integerAnswers('data', IN_MEMORY, indices);
}

function requireNumber(where: string, what: string, value: unknown): asserts value is number {
  if (typeof value === 'number') return;
  throw new DataError(where, `${what} is ${quote(value)}; needs a number`);
}

function quote(value: unknown): string {
  return typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
}

function isFlat(rows: object): rows is FlatRows {
  return 'shape' in rows;
}

function isObject(value: unknown): value is object & ArrayLike<unknown> {
  return typeof value === 'object' && value !== null;
}
