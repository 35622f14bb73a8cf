import { closeSync } from 'node:fs';
import type { FileMetaData } from 'hyparquet';
import { DataError } from '../../errors.js';
import { type OpenFile, openFile, readAt } from '../files.js';
import { chooseColumns, GrowingFloats } from './columns.js';
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
  const file = openFile(WHERE, path);
  try {
    return await decode(file, targets, onGroup);
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

async function decode(
  file: OpenFile,
  wanted: readonly string[] | undefined,
  onGroup: (rows: number) => void,
): Promise<RawTable> {
  const { path } = file;
  const { parquetMetadataAsync, parquetRead, parquetSchema } = await import('hyparquet');
  const compressors = await boundedCompressors(path);
  const source = { byteLength: file.sizeBytes, slice: sliceOf(file) };
  const metadata: FileMetaData = await parquetMetadataAsync(source);
  const columns = parquetSchema(metadata).children;
  const names = columns.map(({ element }) => element.name);
  const chosen = chooseColumns(WHERE, path, names, wanted);
  const featureNames = names.includes('x')
    ? ['x']
    : chosen.features.map((column) => names[column] as string);
  const targetNames = chosen.targets.map((column) => names[column] as string);

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
    onGroup(rowStart);
  }
  const types = chosen.targets.map((column) => leafType(columns[column]));
  return {
    where: WHERE,
    path,
    rows: rowStart,
    features: x.width,
    x: x.values.toArray(),
    y: y.values.toArray(),
    answerWidth: y.width,
    integers: types.every((type) => type === 'INT32' || type === 'INT64'),
  };
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
