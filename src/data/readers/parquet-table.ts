import { closeSync } from 'node:fs';
import type { FileMetaData } from 'hyparquet';
import { DataError } from '../../base/errors.js';
import { type OpenFile, openFile, readAt } from '../files.js';
import { chooseColumns, type ChosenColumns, featureColumns, GrowingFloats } from './columns.js';
import type { RawTable } from './table.js';

const WHERE = 'parquet';
/** Pages are a megabyte in practice; a larger claim is not allocated for. */
const MAX_PAGE_BYTES = 256 << 20;

/**
 * Decodes a Parquet file row group by row group. `x` and `y` may be lists of numbers; otherwise
 * columns of numbers are chosen as in a CSV file.
 *
 * Runs in a process of its own, see `readParquet`: the decoder trusts counts in the file.
 *
 * @param onGroup Called after each row group with the rows so far.
 * @throws DataError
 */
export async function decodeParquet(
  path: string,
  targets: readonly string[] | undefined,
  onGroup: (rows: number) => void = () => {},
): Promise<RawTable> {
  const choose: Choose = (names) => chooseColumns(WHERE, path, names, targets);
  return decoded(path, async (file) => {
    let table: Decoded | null = null;
    for await (const sofar of decode(file, choose)) {
      table = sofar;
      onGroup(sofar.rows);
    }
    const { x, y, rows, integers } = table ?? EMPTY(path);
    return {
      where: WHERE,
      path,
      rows,
      features: x.width,
      x: x.values.toArray(),
      y: y.values.toArray(),
      answerWidth: y.width,
      integers,
    };
  });
}

/**
 * Decodes the features alone, and hands out the rows of each row group.
 *
 * @param features of the network that reads them
 * @param onGroup takes [rows, features]; the next group waits for it
 * @throws DataError
 */
export async function decodeParquetRows(
  path: string,
  features: number,
  onGroup: (x: Float32Array) => Promise<void>,
): Promise<void> {
  const choose: Choose = (names) => ({
    features: names.includes('x') ? [] : featureColumns(WHERE, path, names, features),
    targets: [],
  });
  await decoded(path, async (file) => {
    for await (const { x } of decode(file, choose)) {
      if (x.width !== features) {
        const what = `a row has ${x.width} numbers; the model takes ${features}`;
        throw new DataError(WHERE, `${path}: ${what}`);
      }
      await onGroup(x.take());
    }
  });
}

type Choose = (names: readonly string[]) => ChosenColumns;

async function decoded<T>(path: string, work: (file: OpenFile) => Promise<T>): Promise<T> {
  const file = openFile(WHERE, path);
  try {
    return await work(file);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(WHERE, `${path}: ${message}; the file is damaged or not supported`, {
      cause,
    });
  } finally {
    closeSync(file.fd);
  }
}

/** What has been decoded so far. */
interface Decoded {
  readonly x: WidenedColumns;
  readonly y: WidenedColumns;
  readonly rows: number;
  readonly integers: boolean;
}

const EMPTY = (path: string): Decoded => ({
  x: new WidenedColumns(path, []),
  y: new WidenedColumns(path, []),
  rows: 0,
  integers: false,
});

/** Adds row group after row group to the same columns. */
async function* decode(file: OpenFile, choose: Choose): AsyncGenerator<Decoded> {
  const { path } = file;
  const { parquetMetadataAsync, parquetRead, parquetSchema } = await import('hyparquet');
  const compressors = await boundedCompressors(path);
  const source = { byteLength: file.sizeBytes, slice: sliceOf(file) };
  const metadata: FileMetaData = await parquetMetadataAsync(source);
  const columns = parquetSchema(metadata).children;
  const names = columns.map(({ element }) => element.name);
  const chosen = choose(names);
  const featureNames = names.includes('x')
    ? ['x']
    : chosen.features.map((column) => names[column] as string);
  const targetNames = chosen.targets.map((column) => names[column] as string);
  const types = chosen.targets.map((column) => leafType(columns[column]));
  const integers = types.every((type) => type === 'INT32' || type === 'INT64');

  const x = new WidenedColumns(path, featureNames);
  const y = new WidenedColumns(path, targetNames);
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const data = new Map<string, unknown[]>([...featureNames, ...targetNames].map((n) => [n, []]));
    await parquetRead({
      file: source,
      metadata,
      columns: [...data.keys()],
      rowStart,
      rowEnd,
      compressors,
      onChunk: ({ columnName, columnData }) => {
        const values = data.get(columnName);
        for (const value of columnData) values?.push(value);
      },
    });
    const rows = Math.min(rowEnd - rowStart, ...[...data.values()].map((values) => values.length));
    if (rows !== rowEnd - rowStart) {
      throw new DataError(WHERE, `${path}: row group at row ${rowStart} has only ${rows} rows`);
    }
    x.add(data, rows);
    y.add(data, rows);
    rowStart = rowEnd;
    yield { x, y, rows: rowStart, integers };
  }
  if (rowStart === 0) yield { x, y, rows: 0, integers };
}

/** Columns of numbers, or of lists of numbers of one length each, side by side. */
class WidenedColumns {
  readonly values = new GrowingFloats();
  width = 0;
  private readonly path: string;
  private readonly names: readonly string[];
  private rows = 0;

  constructor(path: string, names: readonly string[]) {
    this.path = path;
    this.names = names;
  }

  /** The values since the last call. */
  take(): Float32Array {
    const values = this.values.toArray();
    this.values.length = 0;
    return values;
  }

  add(data: ReadonlyMap<string, unknown[]>, rows: number): void {
    const columns = this.names.map((name) => data.get(name) ?? []);
    for (let row = 0; row < rows; row++, this.rows++) {
      const before = this.values.length;
      columns.forEach((column, i) => this.addCell(column[row], this.names[i] as string));
      const width = this.values.length - before;
      if (this.rows === 0) this.width = width;
      else if (width !== this.width) {
        throw new DataError(
          WHERE,
          `${this.path}: row ${this.rows} has ${width} numbers in ${this.names.join(', ')} and ` +
            `row 0 has ${this.width}; rows have one width`,
        );
      }
    }
  }

  private addCell(cell: unknown, name: string): void {
    if (Array.isArray(cell) || ArrayBuffer.isView(cell)) {
      for (const value of cell as Iterable<unknown>) this.addNumber(value, name);
    } else {
      this.addNumber(cell, name);
    }
  }

  private addNumber(value: unknown, name: string): void {
    const kind = typeof value;
    if (kind !== 'number' && kind !== 'bigint' && kind !== 'boolean') {
      const what = value === null || value === undefined ? 'empty' : `a ${kind}`;
      throw new DataError(
        WHERE,
        `${this.path}: column ${name} of row ${this.rows} is ${what}; numbers are needed: name ` +
          'the target columns, or keep only columns of numbers',
      );
    }
    this.values.push(Number(value));
  }
}

interface SchemaNode {
  readonly children: readonly SchemaNode[];
  readonly element: { readonly type?: string };
}

function leafType(node: SchemaNode | undefined): string | undefined {
  let leaf = node;
  while (leaf?.children[0] !== undefined) leaf = leaf.children[0];
  return leaf?.element.type;
}

function sliceOf(file: OpenFile): (start: number, end?: number) => ArrayBuffer {
  return (start, end = file.sizeBytes) => {
    if (!(start >= 0 && end >= start && end <= file.sizeBytes)) {
      throw new DataError(
        WHERE,
        `${file.path}: refers to bytes ${start} to ${end} of ${file.sizeBytes}; it is damaged`,
      );
    }
    const bytes = new Uint8Array(end - start);
    readAt(file, bytes, start);
    return bytes.buffer;
  };
}

/** The decompressors, kept from taking memory that no page needs. */
async function boundedCompressors(path: string) {
  const { compressors } = await import('hyparquet-compressors');
  type Decompress = (input: Uint8Array, outputLength: number) => Uint8Array;
  const bounded = Object.entries(compressors as Record<string, Decompress>).map(
    ([codec, decompress]): [string, Decompress] => [
      codec,
      (input, outputLength) => {
        if (outputLength >= 0 && outputLength <= MAX_PAGE_BYTES) {
          return decompress(input, outputLength);
        }
        throw new DataError(
          WHERE,
          `${path}: a page claims ${outputLength} bytes; at most ${MAX_PAGE_BYTES} are read`,
        );
      },
    ],
  );
  return Object.fromEntries(bounded);
}
