import path from 'node:path';
import { closeSync, createReadStream, existsSync, statSync } from 'node:fs';
import { requireFinite, type TableDataset } from '../../data/dataset.js';
import { openFile } from '../../data/files.js';
import { featureColumns } from '../../data/readers/columns.js';
import { csvNumber, csvRecords, isCsvHeader, MAX_LINE_BYTES } from '../../data/readers/csv.js';
import { readMatrixRows } from '../../data/readers/matrix.js';
import { readLayout } from '../../data/readers/npy.js';
import { rowWidth } from '../../data/readers/table.js';
import { SafetensorsFile } from '../../data/safetensors.js';
import { openDataset } from '../../data/sources.js';
import { DataError } from '../../base/errors.js';

/** Rows of a file, [rows, features], some at a time; every number is finite. */
export type RowSource = AsyncIterable<Float32Array>;

const FORMATS = '.csv, .tsv, .npy, .parquet, .safetensors, .jsonl';

/**
 * Opens rows to answer: a CSV, NPY, Parquet, safetensors (the tensor `x`) or JSON-lines file, read
 * piece by piece; or a data set that is known by name, held in memory.
 *
 * @param features of the network; columns named like targets are passed over where they are too many
 * @param most rows of a piece
 * @throws DataError for what is missing, damaged, unknown or of another width
 */
export function openRows(name: string, features: number, most: number): RowSource {
  const isFile = existsSync(name) && statSync(name).isFile();
  switch (isFile ? path.extname(name).toLowerCase() : '') {
    case '.csv':
    case '.tsv':
      return csvRows(name, features, most);
    case '.jsonl':
    case '.ndjson':
      return jsonRows(name, features, most);
    case '.npy':
      return npyRows(name, features, most);
    case '.safetensors':
      return safetensorsRows(name, features, most);
    case '.parquet':
      return parquetRows(name, features, most);
    default:
      return datasetRows(name, features, most);
  }
}

/** Collects rows of one width into pieces. */
class Pieces {
  readonly #width: number;
  #piece: Float32Array;
  #filled = 0;

  constructor(features: number, most: number) {
    this.#width = features * most;
    this.#piece = new Float32Array(this.#width);
  }

  push(value: number): void {
    this.#piece[this.#filled++] = value;
  }
  get full(): boolean {
    return this.#filled === this.#width;
  }
  /** What has been collected since the last call. */
  take(): Float32Array {
    const piece = this.#piece.subarray(0, this.#filled);
    this.#piece = new Float32Array(this.#width);
    this.#filled = 0;
    return piece;
  }
}

async function* csvRows(
  file: string,
  features: number,
  most: number,
): AsyncGenerator<Float32Array> {
  const pieces = new Pieces(features, most);
  let names: readonly string[] | null = null;
  let columns: readonly number[] = [];
  let row = 0;
  for await (const cells of csvRecords(file)) {
    if (names === null) {
      const isHeader = isCsvHeader(cells);
      names = cells.map((cell, i) => (isHeader ? cell : String(i)));
      columns = featureColumns('csv', file, names, features);
      if (isHeader) continue;
    }
    for (const column of columns) {
      pieces.push(
        finite('csv', file, csvNumber(file, cells[column] ?? '', `${names[column]}`, row), row),
      );
    }
    row++;
    if (pieces.full) yield pieces.take();
  }
  yield* last('csv', file, pieces, row);
}

/** A line is a list of numbers, or an object that has one under `x`. */
async function* jsonRows(
  file: string,
  features: number,
  most: number,
): AsyncGenerator<Float32Array> {
  const pieces = new Pieces(features, most);
  let row = 0;
  for await (const line of linesOf(file)) {
    if (line.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      throw new DataError('jsonl', `${file}: row ${row} is not JSON: ${(error as Error).message}`);
    }
    const list = Array.isArray(value) ? (value as unknown[]) : (value as { x?: unknown } | null)?.x;
    if (!Array.isArray(list)) {
      throw new DataError('jsonl', `${file}: row ${row} is no list of numbers, and has none as x`);
    }
    requireWidth('jsonl', file, list.length, features, `row ${row}`);
    for (const number of list as unknown[]) {
      if (typeof number !== 'number') {
        throw new DataError(
          'jsonl',
          `${file}: row ${row} holds ${JSON.stringify(number)?.slice(0, 40)}`,
        );
      }
      pieces.push(finite('jsonl', file, number, row));
    }
    row++;
    if (pieces.full) yield pieces.take();
  }
  yield* last('jsonl', file, pieces, row);
}

async function* linesOf(file: string): AsyncGenerator<string> {
  closeSync(openFile('jsonl', file).fd);
  let rest = '';
  for await (const chunk of createReadStream(file, 'utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > MAX_LINE_BYTES) {
      throw new DataError('jsonl', `${file}: a line is longer than ${MAX_LINE_BYTES} bytes`);
    }
  }
  yield rest;
}

async function* npyRows(
  name: string,
  features: number,
  most: number,
): AsyncGenerator<Float32Array> {
  const file = openFile('npy', name);
  try {
    const layout = readLayout(file);
    requireWidth('npy', name, layout.columns, features, 'a row');
    requireRows('npy', name, layout.rows);
    for (let first = 0; first < layout.rows; first += most) {
      const count = Math.min(most, layout.rows - first);
      const piece = readMatrixRows(file, layout, first, count);
      requireFinite('npy', name, piece, features, (c) => `x[${c}]`);
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
    requireWidth('safetensors', name, rowWidth(shape), features, 'a row');
    requireRows('safetensors', name, rows);
    for (let first = 0; first < rows; first += most) {
      const count = Math.min(most, rows - first);
      const piece = file.readElements('x', first * features, count * features);
      requireFinite('safetensors', name, piece, features, (c) => `x[${c}]`);
      yield piece;
    }
  } finally {
    file.close();
  }
}

async function* parquetRows(
  name: string,
  features: number,
  most: number,
): AsyncGenerator<Float32Array> {
  const { readParquetRows } = await import('../../data/readers/parquet.js');
  let rows = 0;
  for await (const group of readParquetRows(name, features)) {
    requireFinite('parquet', name, group, features, (c) => `x[${c}]`);
    for (let first = 0; first < group.length; first += most * features) {
      yield group.subarray(first, first + most * features);
    }
    rows += group.length / features;
  }
  requireRows('parquet', name, rows);
}

async function* datasetRows(
  name: string,
  features: number,
  most: number,
): AsyncGenerator<Float32Array> {
  if (existsSync(name) && statSync(name).isFile() && !/ubyte(\.gz)?$/.test(name)) {
    throw new DataError('predict', `${name}: unknown format; ${FORMATS} can be read`);
  }
  const { training, validation } = await openDataset(name);
  const { rows, features: found, kind } = validation ?? training;
  if (kind !== 'table') throw new DataError('predict', `${name} is generated; give a file`);
  requireWidth('data', name, found, features, 'a row');
  const { x } = (validation ?? training) as TableDataset;
  for (let first = 0; first < rows; first += most) {
    const count = Math.min(most, rows - first);
    yield Float32Array.from(x.subarray(first * features, (first + count) * features));
  }
}

function* last(where: string, file: string, pieces: Pieces, rows: number) {
  requireRows(where, file, rows);
  const piece = pieces.take();
  if (piece.length > 0) yield piece;
}

function requireRows(where: string, file: string, rows: number): void {
  if (rows === 0) throw new DataError(where, `${file}: no rows; at least one is needed`);
}

function requireWidth(where: string, file: string, width: number, features: number, what: string) {
  if (width === features) return;
  throw new DataError(where, `${file}: ${what} has ${width} numbers; the model takes ${features}`);
}

function finite(where: string, file: string, value: number, row: number): number {
  if (Number.isFinite(Math.fround(value))) return value;
  throw new DataError(where, `${file}: row ${row} holds ${value}, which no finite float32 is`);
}
