import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { DataError } from '../../base/errors.js';
import type { TableDataset } from '../dataset.js';
import { type OpenFile, readAt, withFile } from '../open-file.js';
import { FORMAT_BYTES, isInteger, type NumberFormat } from '../number-formats.js';
import { quote, safeElementCount } from '../safetensors-header.js';
import { type ArrayPair, answersName, pairArrays } from './array-names.js';
import { type MatrixLayout, readMatrix } from './matrix.js';
import { makeTable, type ReadOptions, requireSameRows, rowWidth } from './raw-table.js';

const WHERE = 'npy';
const MAGIC = '\x93NUMPY';
/** NumPy's own limit for headers that it reads unless asked to trust the file. */
const MAX_HEADER_BYTES = 10_000;

/**
 * Reads an array of features, [rows, …], flattened to [rows, features], and that of the answers
 * beside it, [rows] or [rows, targets]: `x.npy` with `y.npy`, `X_train.npy` with `y_train.npy`.
 *
 * @param xPath of the features
 * @throws DataError
 */
export function readNpy(xPath: string, options: ReadOptions): TableDataset {
  return readNpyPair(xPath, { x: xPath, y: answersPath(xPath) }, options);
}

/** The features in a folder, those to train on and those to validate on; null: none. */
export function findNpy(folder: string): { training: string; validation: string | null } | null {
  const names = readdirSync(folder).filter((name) => /\.npy$/i.test(name));
  const stems = names.map((name) => path.parse(name).name);
  const pairs = pairArrays(WHERE, folder, stems);
  const fileOf = ({ x }: ArrayPair) => path.join(folder, names[stems.indexOf(x)] as string);
  return (
    pairs && {
      training: fileOf(pairs.training),
      validation: pairs.validation && fileOf(pairs.validation),
    }
  );
}

function answersPath(xPath: string): string {
  if (!existsSync(xPath)) throw new DataError(WHERE, `${xPath}: no such file`);
  const { dir, name, ext } = path.parse(xPath);
  const others = readdirSync(dir === '' ? '.' : dir).filter((other) => other.endsWith(ext));
  const rule =
    'features are x.npy, X_train.npy, with the answers in y.npy, y_train.npy beside them';
  const y = answersName(
    name,
    others.map((other) => path.parse(other).name),
  );
  if (y !== null) return path.join(dir, y + ext);
  throw new DataError(WHERE, `${xPath}: not a name for features, or no answers beside it; ${rule}`);
}

function readNpyPair(name: string, { x, y }: ArrayPair, options: ReadOptions): TableDataset {
  return tableOf(name, {
    x: withFile(WHERE, x, readFeatures),
    y: withFile(WHERE, y, readAnswers),
    options,
  });
}

/** A data set of two arrays. @throws DataError where they do not fit */
export function tableOf(
  name: string,
  of: {
    readonly x: ReturnType<typeof readFeatures>;
    readonly y: ReturnType<typeof readAnswers>;
    readonly options: ReadOptions;
  },
): TableDataset {
  const { x, y, options } = of;
  requireSameRows(WHERE, name, x.rows, y.rows);
  return makeTable(
    {
      where: WHERE,
      path: name,
      rows: x.rows,
      features: x.columns,
      x: x.values,
      y: y.values,
      answerWidth: y.columns,
      integers: y.integers,
    },
    options,
  );
}

/** Numbers [rows, columns]. */
export function readFeatures(file: OpenFile) {
  const layout = readLayout(file);
  return { rows: layout.rows, columns: layout.columns, values: readMatrix(file, layout) };
}

/** Numbers or texts [rows, columns]. */
export function readAnswers(file: OpenFile) {
  const found = readHeader(file);
  const { rows, columns } = found;
  if (found.text === null) {
    const layout = layoutOf(file, found);
    const integers = isInteger(layout.format);
    return { rows, columns, values: readMatrix(file, layout), integers };
  }
  if (columns > 1)
    throw new DataError(WHERE, `${file.path}: ${columns} columns of texts; needs one`);
  return { rows, columns, values: readTexts(file, found), integers: false };
}

/** @throws DataError unless the file is exactly one array of numbers. */
export function readLayout(file: OpenFile): MatrixLayout {
  return layoutOf(file, readHeader(file));
}

function layoutOf(file: OpenFile, { format, ...found }: Header): MatrixLayout {
  if (format !== null) return { ...found, format };
  throw new DataError(WHERE, `${file.path}: texts; features are numbers`);
}

/** What an NPY file says of its elements: `format` of numbers, or `text`. */
interface Header extends Omit<MatrixLayout, 'format'> {
  readonly format: NumberFormat | null;
  /** Characters of four bytes (U) or one (S), so many in each element. */
  readonly text: { readonly kind: string; readonly length: number } | null;
}

/** Each element is filled up with zeros. */
function readTexts(file: OpenFile, { position, rows, bigEndian, text }: Header): string[] {
  const { kind, length } = text as NonNullable<Header['text']>;
  const size = kind === 'U' ? 4 * length : length;
  const bytes = Buffer.alloc(rows * size);
  readAt(file, bytes, position);
  if (kind === 'S') {
    return Array.from({ length: rows }, (_, i) =>
      bytes.toString('utf8', i * size, (i + 1) * size).replace(/\0+$/, ''),
    );
  }
  return Array.from({ length: rows }, (_, i) => {
    let own = '';
    for (let c = 0; c < length; c++) {
      const at = i * size + 4 * c;
      const code = bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
      if (code > 0x10ffff) {
        throw new DataError(WHERE, `${file.path}: a text holds the code ${code}; it is damaged`);
      }
      if (code !== 0) own += String.fromCodePoint(code);
    }
    return own;
  });
}

function readHeader(file: OpenFile): Header {
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
  const found = parseHeader(header.toString('utf8'), fail);
  const { format, text, bigEndian, columnMajor, shape } = found;

  const count = safeElementCount(shape);
  const position = textStart + length;
  const size =
    text === null ? FORMAT_BYTES[format ?? 'u1'] : (text.kind === 'U' ? 4 : 1) * text.length;
  const bytes = (count ?? Number.NaN) * size;
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
  return { position, rows, columns, format, text, bigEndian, columnMajor };
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
  const format = /^['"]([<>|=]?)([a-zA-Z])(\d{1,6})['"]$/.exec(type);
  const [, endian, kind = '', width = ''] = format ?? [];
  const name = kind === 'b' ? `u${width}` : kind + width;
  const isText = kind === 'U' || kind === 'S';
  if (format === null || (!isText && !Object.hasOwn(FORMAT_BYTES, name)) || name === 'bf2') {
    return fail(
      `elements are ${quote(type)}; integers of 1 to 8 bytes, floats of 2 to 8, booleans and, as ` +
        'labels, texts are read',
    );
  }
  return {
    format: isText ? null : (name as NumberFormat),
    text: isText ? { kind, length: Number(width) } : null,
    bigEndian: endian === '>',
    columnMajor: order === 'True',
    shape: sizes
      .split(',')
      .map((size) => size.replace('L', '').trim())
      .filter((size) => size !== '')
      .map(Number),
  };
}
