import { rmSync } from 'node:fs';
import { DataError } from '../base/errors.js';
import type { TableSchema } from './tables/schema.js';
import type { TeacherSpec } from './synthetic/teacher-spec.js';

/** Class indices, one a row, or `width` numbers a row to come near to. */
export type AnswerShape =
  | { readonly kind: 'labels'; readonly classes: number }
  | { readonly kind: 'values'; readonly width: number };

/** Answers held in memory: `labels` is [rows], `values` is [rows, width] row-major. */
export type TableAnswers =
  | {
      readonly kind: 'labels';
      readonly classes: number;
      readonly labels: Int32Array;
      /** What the file calls each class, where it is not the index. */
      readonly names?: readonly string[];
    }
  | { readonly kind: 'values'; readonly width: number; readonly values: Float32Array };

interface DatasetCommon {
  /** What people call it: a known name or a path. */
  readonly name: string;
  /** Infinity for a stream that does not end. */
  readonly rows: number;
  readonly features: number;
  /** Pixels: standardized unless asked otherwise. */
  readonly imageLike: boolean;
}

/** Rows held in shared memory, so that a worker thread receives them without a copy. */
export interface TableDataset extends DatasetCommon {
  readonly kind: 'table';
  /** [rows, features] row-major; bytes stay bytes until a batch is made. */
  readonly x: Uint8Array | Float32Array;
  readonly answers: TableAnswers;
  /** [rows]: how much each counts. Not there: all the same. */
  readonly weights?: Float32Array;
}

/** Whether rows have weights of their own. */
export function isWeighted(data: Dataset): boolean {
  return data.kind === 'records' ? data.weighted : 'weights' in data;
}

/**
 * Rows of a table, each a record of floats: the features, then the answers (a class by its index),
 * then the row's weight where it has one.
 * In shared memory or in a file.
 */
export interface RecordsDataset extends DatasetCommon {
  readonly kind: 'records';
  /** Floats of a record. */
  readonly record: number;
  /** [rows, record] row-major. */
  readonly source: Float32Array | RecordsOnDisk;
  readonly answers: AnswerShape;
  /** Fitted to the numbers among the features of the training rows; 0 and 1 for the others. */
  readonly standardization: { readonly mean: Float32Array; readonly scale: Float32Array };
  /** Whether records end with a weight. */
  readonly weighted: boolean;
  readonly tally: RowTally;
}

/** A file of records and nothing else. */
export interface RecordsOnDisk {
  readonly path: string;
  /** What rows that are read ahead may take in memory. */
  readonly memoryBytes: number;
}

/** How many rows there are of each class, and their weights; of numbers that are predicted, one entry
 * for all rows. */
export interface RowTally {
  readonly rows: number[];
  readonly weights: number[];
}

/** Rows computed when they are asked for; row i depends on the specification and i alone. */
export interface TeacherDataset extends DatasetCommon {
  readonly kind: 'teacher';
  readonly spec: TeacherSpec;
  /** Which of the teacher's two independent streams of rows this is. */
  readonly part: 'training' | 'validation';
  readonly answers: AnswerShape;
}

/** Plain data: can be posted to a worker thread. */
export type Dataset = TableDataset | RecordsDataset | TeacherDataset;

/** What is known of a table beside its rows. */
export interface OpenedTable {
  readonly schema: TableSchema;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/** A training part and, where there is one, a validation part of the same features and answers. */
export interface DataParts {
  readonly training: Dataset;
  readonly validation: Dataset | null;
  /** Of a table: what its columns are, and what was decided on the way. */
  readonly table?: OpenedTable;
  /** Folders of rows that memory does not hold, for `releaseData`. */
  readonly caches?: readonly string[];
}

/** Removes what holds the rows of a large table; whatever reads them has to have ended. */
export function releaseData({ caches = [] }: DataParts): void {
  for (const folder of caches) rmSync(folder, { recursive: true, force: true });
}

/** Most classes that are believed: beyond it a "label" is more likely an identifier or a price. */
export const MAX_CLASSES = 65_536;

/** Zero-filled [count] floats in shared memory.
 * @throws DataError when the memory is not there. */
export function sharedFloat32(count: number): Float32Array {
  return new Float32Array(sharedBytes(4 * count));
}

/** Zero-filled [count] integers in shared memory.
 * @throws DataError when the memory is not there. */
export function sharedInt32(count: number): Int32Array {
  return new Int32Array(sharedBytes(4 * count));
}

/** Zero-filled [count] bytes in shared memory.
 * @throws DataError when the memory is not there. */
export function sharedUint8(count: number): Uint8Array {
  return new Uint8Array(sharedBytes(count));
}

function sharedBytes(bytes: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes);
  } catch (cause) {
    const what = `${bytes} bytes cannot be allocated; use fewer rows or a machine with more memory`;
    throw new DataError('data', what, { cause });
  }
}

/**
 * Where numbers of a file must be finite: throws at the first that is not.
 *
 * @param columnName Names column c of `width` for the message.
 */
export function requireFinite(
  { where, path }: { readonly where: string; readonly path: string },
  values: Float32Array,
  width: number,
  columnName: (column: number) => string,
): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    // Faster than Number.isFinite on tens of millions of values: NaN and ±Infinity give NaN.
    if (value - value === 0) continue;
    throw new DataError(
      where,
      `${path}: ${columnName(i % width)} of row ${Math.floor(i / width)} is ${value} in float32; ` +
        'values must be finite: remove or fill such rows',
    );
  }
}

/**
 * Answers from class indices, with as many classes as the largest index needs.
 *
 * @throws DataError for an index below 0, or more classes than MAX_CLASSES.
 */
export function labelAnswers(where: string, path: string, labels: Int32Array): TableAnswers {
  let largest = -1;
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row] as number;
    if (label < 0) {
      throw new DataError(where, `${path}: the label of row ${row} is ${label}; labels start at 0`);
    }
    if (label > largest) largest = label;
  }
  if (largest >= MAX_CLASSES) {
    throw new DataError(
      where,
      `${path}: the largest label is ${largest}; labels are class indices below ${MAX_CLASSES}: ` +
        'number the classes from 0, or give numbers to predict as values',
    );
  }
  return { kind: 'labels', classes: Math.max(1, largest + 1), labels };
}
