import { GatheredRows, mostGathered, type RecordFile } from './record-file.js';

/** Bytes that a row takes beside its record: its key. */
const KEY_BYTES = 8;
/** How many times as long as the one before a window is. */
const GROWTH = 4;

/** The rows of batches, known in advance. */
export interface BatchOrder {
  readonly batches: number;
  /** Rows of a batch. */
  readonly columns: number;
  /** Writes the rows of a batch; called once for each, in order. */
  rowsOf(batch: number, out: Float64Array): void;
}

/** Where the rows of a batch are: row c is record `places[c]` of `values`. */
export interface FoundRows {
  readonly values: Float32Array;
  readonly places: Float64Array;
}

/**
 * The rows of batches to come, from a file. Rows of a shuffled order lie all over it, and a read for
 * each takes longer than its part of a small network's step. So the rows of many batches are read
 * at once, in the order of the file, into a window of memory; while one window is handed out, the
 * next is filled at the same pace. Windows grow, so that the first batch comes soon.
 *
 * With windows of W bytes and a file of F, a row costs copying the smaller of F/W records and 16 KB
 * from the system's cache.
 */
export class ReadAhead {
  readonly #order: BatchOrder;
  readonly #rows: Float64Array;
  /** Batches of the longest window. */
  readonly #most: number;
  readonly #found: { values: Float32Array; readonly places: Float64Array };
  #asked = 0;
  #window: GatheredRows;
  #next: GatheredRows;
  /** Rows handed out of the window. */
  #taken = 0;

  /** @param of rows in the file, and bytes that both windows may take together */
  constructor(
    file: RecordFile,
    order: BatchOrder,
    of: { readonly rows: number; readonly memoryBytes: number },
  ) {
    const { columns } = order;
    this.#order = order;
    this.#rows = new Float64Array(columns);
    const fitting = of.memoryBytes / 2 / (4 * file.record + KEY_BYTES);
    // An array has fewer numbers than 2³².
    const most = Math.min(fitting, mostGathered(of.rows), 2 ** 32 / file.record - 1);
    const batches = Math.min(Math.floor(most / columns), order.batches);
    this.#most = Math.max(1, batches);
    // Pages that no row was written to take no memory.
    this.#window = this.#ask(new GatheredRows(file, this.#most * columns), 1);
    this.#next = this.#ask(new GatheredRows(file, this.#most * columns), GROWTH);
    this.#found = { values: this.#window.values, places: new Float64Array(columns) };
  }

  /** The rows of the next batch, valid until the next call. @throws DataError */
  next(): FoundRows {
    const { columns } = this.#order;
    if (this.#taken === this.#window.count) {
      const before = this.#window;
      this.#window = this.#next;
      this.#next = this.#ask(before, (GROWTH * this.#window.count) / columns);
      this.#taken = 0;
    }
    const { places } = this.#found;
    for (let c = 0; c < columns; c++) places[c] = this.#taken + c;
    this.#taken += columns;
    this.#window.advance(this.#window.count);
    this.#next.advance((this.#next.count * this.#taken) / this.#window.count);
    this.#found.values = this.#window.values;
    return this.#found;
  }

  /** Asks a window for the next batches. */
  #ask(window: GatheredRows, batches: number): GatheredRows {
    const count = Math.min(batches, this.#most, this.#order.batches - this.#asked);
    window.clear();
    for (const end = this.#asked + count; this.#asked < end; this.#asked++) {
      this.#order.rowsOf(this.#asked, this.#rows);
      window.ask(this.#rows);
    }
    return window;
  }
}
