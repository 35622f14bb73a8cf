import { rowCodes } from '../../data/tables/encode.js';
import { idIn, type NamedColumns, RowEncoder } from '../../data/tables/encode-rows.js';
import type { MemoryLease } from './memory-budget.js';
import { badRequest } from './protocol-error.js';

const FIRST_ROWS = 16;
/** What an id costs besides its letters. */
const ID_BYTES = 32;

/**
 * Rows of a table, a number a cell. They become features, of which a category has as many as values,
 * only in the batches that answer them.
 */
export class CodedRows {
  readonly columns: NamedColumns;
  readonly encoder: RowEncoder;
  readonly #lease: MemoryLease;
  /** Bytes of the ids as JSON, at most. */
  idBytes = 0;
  #codes = new Float64Array(0);
  #rows = 0;
  #ids: (string | null)[] = [];
  #hasIds = false;

  constructor(columns: NamedColumns, lease: MemoryLease) {
    this.columns = columns;
    this.encoder = new RowEncoder(columns, badRequest);
    this.#lease = lease;
  }

  get rows(): number {
    return this.#rows;
  }
  /** What the rows are called; null: none of them has the column. */
  get ids(): readonly (string | null)[] | null {
    return this.#hasIds ? this.#ids : null;
  }
  /** A row after another. */
  get codes(): Float64Array {
    return this.#codes;
  }

  /** Makes room for rows, whose codes the caller writes. */
  reserve(rows: number): void {
    this.#grow(rows);
    this.#rows = rows;
  }

  /** @throws ProtocolError for a row that is not one of the table */
  append(row: object): void {
    const { width } = this.encoder;
    if ((this.#rows + 1) * width > this.#codes.length) {
      this.#grow(Math.max(FIRST_ROWS, 2 * this.#rows));
    }
    this.encoder.encode(this.#rows, row, this.#codes, this.#rows * width);
    this.#rows++;
    const { id } = this.columns.schema;
    if (id === null) return;
    const own = idIn(id, row);
    // A character takes six bytes as JSON at most.
    const bytes = 6 * (own?.length ?? 0);
    this.#lease.take(ID_BYTES + bytes);
    this.idBytes += bytes;
    this.#hasIds ||= Object.hasOwn(row, id);
    this.#ids.push(own);
  }

  /** Writes the features of some rows: [count, features]. */
  fill(out: Float32Array, from: number, count: number): void {
    const { width } = this.encoder;
    const codes = this.#codes.subarray(from * width, (from + count) * width);
    this.columns.write(rowCodes(codes, width), out);
  }

  #grow(rows: number): void {
    const { width } = this.encoder;
    this.#lease.take(8 * rows * width);
    const codes = new Float64Array(rows * width);
    codes.set(this.#codes);
    this.#lease.give(8 * this.#codes.length);
    this.#codes = codes;
  }
}
