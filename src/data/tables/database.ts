import type * as DuckDB from '@duckdb/node-api';
import { DataError } from '../../base/errors.js';

/** A row of a small result, by the names of its columns; integers beyond 2^53 are texts. */
export type ResultRow = Readonly<Record<string, unknown>>;

/** A column of some rows. */
type Values = Float64Array | Float32Array | readonly (string | null)[];

/** Columns of some rows. */
export interface Piece {
  readonly rows: number;
  readonly columns: readonly Values[];
}

/** A query engine for files of rows. Close it when the rows have been read. */
export interface Database {
  /** All rows of a small result. @throws DataError with the engine's words in one line */
  rows(sql: string): Promise<ResultRow[]>;
  /**
   * The rows of a result whose columns are DOUBLE, FLOAT or VARCHAR, a piece at a time: numbers with NaN
   * for NULL, texts with null. In the order of the files, which decides what a run learns: from here
   * on the engine has one thread, so that no scheduling of several can mix its parts.
   *
   * @throws DataError
   */
  pieces(sql: string): AsyncGenerator<Piece>;
  close(): void;
}

export interface DatabaseOptions {
  /** What the engine may hold in memory, in bytes. Default: its own choice, 80% of the machine. */
  readonly memoryBytes?: number;
}

/**
 * Opens DuckDB in memory. It is loaded only here, when a table is opened. It never downloads: files
 * are local, extensions are those in the package.
 *
 * @throws DataError when the optional package is not installed
 */
export async function openDatabase(options: DatabaseOptions = {}): Promise<Database> {
  let duckdb: typeof DuckDB;
  try {
    duckdb = await import('@duckdb/node-api');
  } catch (cause) {
    const what =
      'tables (CSV, JSON, Parquet) are read by DuckDB, which is not installed; ' +
      'npm install @duckdb/node-api@1.5.5-r.5';
    throw new DataError('data', what, { cause });
  }
  const settings: Record<string, string> = {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    preserve_insertion_order: 'true',
  };
  if (options.memoryBytes !== undefined) settings['memory_limit'] = `${options.memoryBytes}B`;
  const instance = await duckdb.DuckDBInstance.create(':memory:', settings);
  const connection = await instance.connect();
  return new Connected(connection, () => {
    connection.closeSync();
    instance.closeSync();
  });
}

class Connected implements Database {
  readonly #connection: DuckDB.DuckDBConnection;
  readonly close: () => void;

  constructor(connection: DuckDB.DuckDBConnection, close: () => void) {
    this.#connection = connection;
    this.close = close;
  }

  async rows(sql: string): Promise<ResultRow[]> {
    try {
      const reader = await this.#connection.runAndReadAll(sql);
      return reader.getRowObjectsJson();
    } catch (error) {
      throw inWords(error);
    }
  }

  async *pieces(sql: string): AsyncGenerator<Piece> {
    try {
      await this.#connection.run('set threads = 1');
      const result = await this.#connection.stream(sql);
      for (;;) {
        const chunk = await result.fetchChunk();
        if (chunk === null || chunk.rowCount === 0) return;
        const rows = chunk.rowCount;
        const columns = Array.from({ length: chunk.columnCount }, (_, i) =>
          valuesOf(chunk.getColumnVector(i), rows),
        );
        yield { rows, columns };
      }
    } catch (error) {
      throw error instanceof DataError ? error : inWords(error);
    }
  }
}

/** What a vector of numbers holds: its values, which are a copy, and a bit for each that is there. */
interface Numbers {
  readonly items: Float64Array | Float32Array;
  readonly validity: { readonly data: BigUint64Array | null };
}

function valuesOf(column: DuckDB.DuckDBVector, rows: number): Values {
  const { items, validity } = column as unknown as Numbers;
  if (!(items instanceof Float64Array || items instanceof Float32Array)) {
    return Array.from({ length: rows }, (_, row) => column.getItem(row) as string | null);
  }
  if (validity.data === null) return items;
  const { buffer, byteOffset, byteLength } = validity.data;
  const bits = new Uint8Array(buffer, byteOffset, byteLength);
  for (let row = 0; row < rows; row++) {
    if ((((bits[row >> 3] as number) >> (row & 7)) & 1) === 0) items[row] = Number.NaN;
  }
  return items;
}

/** The engine's error in one line, without its advice for SQL. */
function inWords(cause: unknown): DataError {
  const text = (cause as Error).message;
  const csv = /CSV Error on Line: (\d+)\nOriginal Line: ?([^]*?)\n(.*)/.exec(text);
  if (csv !== null) {
    const [, line, original = '', rest = ''] = csv;
    const cells = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(text);
    const found = `${cells?.[2]} ${cells?.[2] === '1' ? 'cell' : 'cells'}; needs ${cells?.[1]}`;
    const odd = original.trim() === '' ? 'a line of blanks only; remove it' : found;
    const blank = original.startsWith('#') ? 'a comment among the rows; remove it' : odd;
    const what = cells === null ? rest.trim() || 'not readable' : blank;
    const open = /unterminated quote/.test(text) ? 'a quote is never closed' : what;
    const file = /\n {2}file = (.*)\n/.exec(text)?.[1] ?? 'csv';
    return new DataError('data', `${file}, line ${line}, ${quoted(original)}: ${open}`, { cause });
  }
  if (/httpfs|requires the extension/.test(text)) {
    const file = /File (\S+) requires/.exec(text)?.[1] ?? 'a remote address';
    return new DataError('data', `${file} is remote; only local files are read: download it`, {
      cause,
    });
  }
  const [first = ''] = text.split('\n', 1);
  return new DataError('data', first.replace(/^[A-Za-z ]+ Error: /, ''), { cause });
}

function quoted(text: string): string {
  const line = text.replaceAll('\n', '\\n');
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 57)}…` : line);
}

/** A text as an SQL literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A column's name as an SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
