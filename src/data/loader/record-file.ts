import { openSync } from 'node:fs';
import type { RecordsDataset } from '../dataset.js';
import { readWhole } from '../tables/row-store.js';

/** Most bytes of one read, but for longer records. */
const PIECE_BYTES = 1 << 16;
/** Most bytes between two wanted rows that are read as well: copying them from the system's cache
 * takes about as long as another read takes to start, 2 µs. */
const GAP_BYTES = 1 << 14;

/** A file of records, read by row numbers. It stays open until the thread ends. */
export class RecordFile {
  /** Floats of a record. */
  readonly record: number;
  readonly #name: string;
  readonly #descriptor: number;
  readonly #piece: Float32Array;

  /** @param dataset its floats per record, and its name for errors */
  constructor({ record, name }: Pick<RecordsDataset, 'record' | 'name'>, path: string) {
    this.record = record;
    this.#name = name;
    this.#descriptor = openSync(path, 'r');
    this.#piece = new Float32Array(record * Math.max(1, Math.floor(PIECE_BYTES / (4 * record))));
  }

  /** Rows that one read can bring. */
  get rowsPerPiece(): number {
    return this.#piece.length / this.record;
  }

  /** Rows from `first` on, valid until the next call. @throws DataError */
  read(first: number, count: number): Float32Array {
    const values = this.#piece.subarray(0, count * this.record);
    const bytes = new Uint8Array(values.buffer, 0, values.byteLength);
    readWhole(this.#descriptor, bytes, 4 * first * this.record, this.#name);
    return values;
  }
}

/**
 * Rows of a file, one behind the other in the order in which they were asked for. They are read in
 * the file's order, neighbors together, and as far as `advance` says, so that the work can be spread.
 */
export class GatheredRows {
  /** Row-major; the first `count` rows are there after `advance(count)`. */
  readonly values: Float32Array;
  readonly #file: RecordFile;
  /** Of each row its number · #places + its place; sorted before the first read. */
  readonly #keys: Float64Array;
  /** A power of two, so that dividing by it is exact. */
  readonly #places: number;
  #count = 0;
  #read = 0;

  /** @param most rows that it can hold */
  constructor(file: RecordFile, most: number) {
    this.#file = file;
    this.values = new Float32Array(most * file.record);
    this.#keys = new Float64Array(most);
    this.#places = 2 ** Math.ceil(Math.log2(Math.max(1, most)));
  }

  /** Rows asked for. */
  get count(): number {
    return this.#count;
  }

  /** Forgets all rows. */
  clear(): void {
    this.#count = 0;
    this.#read = 0;
  }

  /** Asks for more rows; not once some have been read. */
  ask(rows: Float64Array): void {
    for (let c = 0; c < rows.length; c++) {
      this.#keys[this.#count] = (rows[c] as number) * this.#places + this.#count;
      this.#count++;
    }
  }

  /** Reads until at least `count` of the rows are there, whichever lie first. @throws DataError */
  advance(count: number): void {
    if (this.#read >= count) return;
    const keys = this.#keys.subarray(0, this.#count);
    if (this.#read === 0) keys.sort();
    const { record, rowsPerPiece } = this.#file;
    const gap = Math.max(1, Math.floor(GAP_BYTES / (4 * record)));
    const places = this.#places;
    while (this.#read < count) {
      const first = Math.floor((keys[this.#read] as number) / places);
      let last = first;
      let end = this.#read + 1;
      for (; end < keys.length; end++) {
        const row = Math.floor((keys[end] as number) / places);
        if (row - last > gap || row - first >= rowsPerPiece) break;
        last = row;
      }
      this.#copy(this.#file.read(first, last - first + 1), { keys, first, end, record });
    }
  }

  #copy(
    piece: Float32Array,
    of: {
      readonly keys: Float64Array;
      readonly first: number;
      readonly end: number;
      readonly record: number;
    },
  ): void {
    const { keys, first, end, record } = of;
    const { values } = this;
    for (; this.#read < end; this.#read++) {
      const key = keys[this.#read] as number;
      const row = Math.floor(key / this.#places);
      const from = (row - first) * record;
      const to = (key - row * this.#places) * record;
      // Faster than a view of each record, of tens of floats.
      for (let i = 0; i < record; i++) values[to + i] = piece[from + i] as number;
    }
  }
}

/** Most rows that can be gathered at once of so many in a file: number and place share 53 bits. */
export function mostGathered(rows: number): number {
  return 2 ** Math.floor(Math.log2(Number.MAX_SAFE_INTEGER / rows));
}
