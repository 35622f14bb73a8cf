import { existsSync } from 'node:fs';
import path from 'node:path';
import { DataError } from '../../base/errors.js';
import type { TableDataset } from '../dataset.js';
import { type OpenFile, readAt, withFile } from '../open-file.js';
import { FORMAT_BYTES, isInteger, type NumberFormat } from '../number-formats.js';
import { quote, safeElementCount } from '../safetensors-header.js';
import { type MatrixLayout, readMatrix } from './matrix.js';
import { makeTable, type ReadOptions, requireSameRows, rowWidth } from './raw-table.js';

const WHERE = 'npy';
const MAGIC = '\x93NUMPY';
/** NumPy's own limit for headers that it reads without being told to trust the file. */
const MAX_HEADER_BYTES = 10_000;

/**
 * Reads x.npy and the y.npy beside it. x is [rows, …], flattened to [rows, features]; y is [rows]
 * or [rows, targets].
 *
 * @param location The folder, x.npy, or a name that ends in x.npy (`train-x.npy` goes with
 *   `train-y.npy`).
 * @throws DataError
 */
export function readNpy(location: string, options: ReadOptions): TableDataset {
  const xPath = location.endsWith('.npy') ? location : path.join(location, 'x.npy');
  const yPath = answersPath(xPath);
  const x = withFile(WHERE, xPath, readArray);
  const y = withFile(WHERE, yPath, readArray);
  requireSameRows(WHERE, xPath, x.rows, y.rows);
  return makeTable(
    {
      where: WHERE,
      path: location,
      rows: x.rows,
      features: x.columns,
      x: x.values,
      y: y.values,
      answerWidth: y.columns,
      integers: isInteger(y.format),
    },
    options,
  );
}

function answersPath(xPath: string): string {
  const { dir, base } = path.parse(xPath);
  const match = /^(|.*[-_.])([xX])\.npy$/.exec(base);
  if (match === null) {
    const rule = 'features are x.npy or end in -x.npy, with the answers in y.npy beside them';
    throw new DataError(WHERE, `${xPath}: not a name for features; ${rule}`);
  }
  const named = (y: string) => path.join(dir, `${match[1]}${y}.npy`);
  return match[2] === 'X' && existsSync(named('Y')) ? named('Y') : named('y');
}

function readArray(file: OpenFile) {
  const layout = readLayout(file);
  return { ...layout, values: readMatrix(file, layout) };
}

/** @throws DataError unless the file is exactly one array of numbers. */
export function readLayout(file: OpenFile): MatrixLayout {
  const fail = (what: string): never => {
    throw new DataError(WHERE, `${file.path}: ${what}`);
  };
  const start = Buffer.alloc(Math.min(12, file.sizeBytes));
  readAt(file, start, 0);
  if (start.length < 10 || start.toString('latin1', 0, 6) !== MAGIC) {
    fail('does not start as an NPY file does');
  }
  const version = start[6] as number;
  if (version < 1 || version > 3) fail(`NPY version ${version}; versions 1 to 3 are read`);
  if (version > 1 && start.length < 12) fail('the file is truncated');
  const textStart = version === 1 ? 10 : 12;
  const length = version === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
  if (length > Math.min(MAX_HEADER_BYTES, file.sizeBytes - textStart)) {
    fail(
      `claims a header of ${length} bytes; the file has ${file.sizeBytes} and a header at most ` +
        `${MAX_HEADER_BYTES}`,
    );
  }
  const header = Buffer.alloc(length);
  readAt(file, header, textStart);
  const { format, bigEndian, columnMajor, shape } = parseHeader(header.toString('utf8'), fail);

  const count = safeElementCount(shape);
  const position = textStart + length;
  const bytes = (count ?? Number.NaN) * FORMAT_BYTES[format];
  if (bytes !== file.sizeBytes - position) {
    fail(
      `shape (${shape.join(', ')}) needs ${bytes} bytes of data; the file has ` +
        `${file.sizeBytes - position}`,
    );
  }
  if (columnMajor && shape.length > 2) {
    fail(`shape (${shape.join(', ')}) in Fortran order; save it in C order: np.ascontiguousarray`);
  }
  const rows = shape[0] ?? fail('a single number; arrays have rows');
  // An empty dimension makes the others meaningless, however large they claim to be.
  const columns = count === 0 ? 0 : rowWidth(shape);
  return { position, rows: count === 0 ? 0 : rows, columns, format, bigEndian, columnMajor };
}

/** The header is a Python dictionary of three entries, in any order. */
function parseHeader(text: string, fail: (what: string) => never) {
  const body = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1] ?? fail('the header is not a dictionary');
  const entry = (key: string, value: string): string =>
    new RegExp(`(?:^|,)\\s*['"]${key}['"]\\s*:\\s*${value}\\s*(?:,|$)`, 's').exec(body)?.[1] ??
    fail(`the header has no usable ${key}: ${quote(text.trim())}`);

  const order = entry('fortran_order', '(True|False)');
  const type = entry('descr', `(['"][^'"]*['"]|\\[.*\\])`);
  const sizes = entry('shape', '\\(([\\d\\sL,]*)\\)');
  const format = /^['"]([<>|=]?)([uif])([1248])['"]$/.exec(type);
  const name = `${format?.[2]}${format?.[3]}`;
  if (format === null || !Object.hasOwn(FORMAT_BYTES, name)) {
    return fail(
      `elements are ${quote(type)}; integers of 1 to 8 bytes and floats of 2 to 8 are read`,
    );
  }
  return {
    format: name as NumberFormat,
    bigEndian: format[1] === '>',
    columnMajor: order === 'True',
    shape: sizes
      .split(',')
      .map((size) => size.replace('L', '').trim())
      .filter((size) => size !== '')
      .map(Number),
  };
}
