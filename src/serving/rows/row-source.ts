import path from 'node:path';
import { closeSync, existsSync, statSync } from 'node:fs';
import { requireFinite, type TableDataset } from '../../data/dataset.js';
import { openFile } from '../../data/open-file.js';
import { readMatrixRows } from '../../data/readers/matrix.js';
import { readLayout } from '../../data/readers/npy.js';
import { rowWidth } from '../../data/readers/raw-table.js';
import { SafetensorsFile } from '../../data/safetensors.js';
import { isTable, openDataset } from '../../data/sources.js';
import type { TableSchema } from '../../data/tables/schema.js';
import { DataError } from '../../base/errors.js';

/** Rows, some at a time. */
export interface RowPiece {
  /** [rows, features] row-major; every number is finite. */
  readonly x: Float32Array;
  /** What the rows are called, where the model's table had such a column; else null. */
  readonly ids: readonly (string | null)[] | null;
}

export type RowSource = AsyncIterable<RowPiece>;

/** The model that rows are for. */
export interface RowsOf {
  readonly features: number;
  /** Of the table that it was trained on: columns of a table go by their names. */
  readonly schema?: TableSchema | null;
  /** Takes what people should know of the columns of a table. */
  readonly onNote?: (note: string) => void;
}

const FORMATS = '.csv, .tsv, .json, .jsonl, .parquet, .npy, .npz, .safetensors';

/**
 * Opens rows to answer: a table, an NPY or a safetensors file (the tensor `x`), read piece by
 * piece; or a data set that is known by name, held in memory.
 *
 * @param most rows of a piece
 * @throws DataError for what is missing, damaged, unknown or of another width
 */
export function openRows(name: string, model: RowsOf, most: number): RowSource {
  const { features } = model;
  if (isTable(name)) return tablePieces(name, model, most);
  const isFile = existsSync(name) && statSync(name).isFile();
  switch (isFile ? path.extname(name).toLowerCase() : '') {
    case '.npy':
      return withoutIds(npyRows(name, features, most));
    case '.safetensors':
      return withoutIds(safetensorsRows(name, features, most));
    default:
      return withoutIds(datasetRows(name, features, most));
  }
}

/** A table, by the schema of the model; without one by position, its columns all numbers. */
async function* tablePieces(name: string, model: RowsOf, most: number): AsyncGenerator<RowPiece> {
  const { tableRows } = await import('../../data/tables/table-rows.js');
  const { schema = null, features, onNote } = model;
  let rows = 0;
  for await (const piece of tableRows({ location: name, schema, features }, most, onNote)) {
    requireFinite({ where: 'data', path: name }, piece.x, features, (c) => `feature ${c}`);
    rows += piece.x.length / features;
    yield piece;
  }
  requireRows('data', name, rows);
}

async function* withoutIds(pieces: AsyncIterable<Float32Array>): AsyncGenerator<RowPiece> {
  for await (const x of pieces) yield { x, ids: null };
}

async function* npyRows(
  name: string,
  features: number,
  most: number,
): AsyncGenerator<Float32Array> {
  const file = openFile('npy', name);
  try {
    const layout = readLayout(file);
    requireWidth('npy', name, layout.columns, features);
    requireRows('npy', name, layout.rows);
    for (let first = 0; first < layout.rows; first += most) {
      const count = Math.min(most, layout.rows - first);
      const piece = readMatrixRows(file, layout, first, count);
      requireFinite({ where: 'npy', path: name }, piece, features, (c) => `x[${c}]`);
      yield piece;
    }
  } finally {
    closeSync(file.fd);
  }
}

async function* safetensorsRows(
  name: string,
  features: number,
  most: number,
): AsyncGenerator<Float32Array> {
  const file = new SafetensorsFile(name);
  try {
    const { shape } = file.entry('x');
    const [rows = 0] = shape;
    requireWidth('safetensors', name, rowWidth(shape), features);
    requireRows('safetensors', name, rows);
    for (let first = 0; first < rows; first += most) {
      const count = Math.min(most, rows - first);
      const piece = file.readElements('x', first * features, count * features);
      requireFinite({ where: 'safetensors', path: name }, piece, features, (c) => `x[${c}]`);
      yield piece;
    }
  } finally {
    file.close();
  }
}

async function* datasetRows(
  name: string,
  features: number,
  most: number,
): AsyncGenerator<Float32Array> {
  if (existsSync(name) && statSync(name).isFile() && !/(ubyte(\.gz)?|\.npz)$/.test(name)) {
    throw new DataError('predict', `${name}: unknown format; ${FORMATS} can be read`);
  }
  const { training, validation } = await openDataset(name);
  const { rows, features: found, kind } = validation ?? training;
  if (kind !== 'table') throw new DataError('predict', `${name} is generated; give a file`);
  requireWidth('data', name, found, features);
  const { x } = (validation ?? training) as TableDataset;
  for (let first = 0; first < rows; first += most) {
    const count = Math.min(most, rows - first);
    yield Float32Array.from(x.subarray(first * features, (first + count) * features));
  }
}

function requireRows(where: string, file: string, rows: number): void {
  if (rows === 0) throw new DataError(where, `${file}: no rows; at least one is needed`);
}

function requireWidth(where: string, file: string, width: number, features: number): void {
  if (width === features) return;
  throw new DataError(where, `${file}: a row has ${width} numbers; the model takes ${features}`);
}
