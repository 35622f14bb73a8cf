import { closeSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { DataError } from '../../base/errors.js';
import { sharedFloat32 } from '../dataset.js';

/** Rows of so many floats: written once from the first to the last, then read and mended. */
export interface RowStore {
  readonly rows: number;
  readonly width: number;
  /** Adds whole rows behind the last. */
  append(rows: Float32Array): void;
  /** Calls `use` with all rows, piece by piece; where it returns true the piece is written back. */
  forEachPiece(use: (rows: Float32Array, count: number) => boolean | void): void;
  close(): void;
}

/** In shared memory, so that a worker thread receives it without a copy. */
export class MemoryStore implements RowStore {
  readonly width: number;
  readonly values: Float32Array;
  rows = 0;

  /** @param capacity rows */
  constructor(width: number, capacity: number) {
    this.width = width;
    this.values = sharedFloat32(width * capacity);
  }

  append(rows: Float32Array): void {
    this.values.set(rows, this.rows * this.width);
    this.rows += rows.length / this.width;
  }

  forEachPiece(use: (rows: Float32Array, count: number) => boolean | void): void {
    const most = rowsPerPiece(this.width);
    for (let first = 0; first < this.rows; first += most) {
      const count = Math.min(most, this.rows - first);
      use(this.values.subarray(first * this.width, (first + count) * this.width), count);
    }
  }

  close(): void {}
}

const PIECE_BYTES = 1 << 20;
const rowsPerPiece = (width: number) => Math.max(1, Math.floor(PIECE_BYTES / (4 * width)));

/** In a file, for tables larger than memory. The file has no name once its readers have it open. */
export class FileStore implements RowStore {
  readonly path: string;
  readonly width: number;
  rows = 0;
  readonly #fd: number;
  readonly #piece: Float32Array;
  readonly #bytes: Uint8Array;
  #pending = 0;

  constructor(path: string, width: number) {
    this.path = path;
    this.width = width;
    this.#fd = openSync(path, 'wx+', 0o600);
    this.#piece = new Float32Array(rowsPerPiece(width) * width);
    this.#bytes = new Uint8Array(this.#piece.buffer);
  }

  append(rows: Float32Array): void {
    for (let done = 0; done < rows.length;) {
      const filled = this.#pending * this.width;
      const part = rows.subarray(done, done + this.#piece.length - filled);
      this.#piece.set(part, filled);
      done += part.length;
      this.#pending += part.length / this.width;
      this.rows += part.length / this.width;
      if (filled + part.length === this.#piece.length) this.#flush();
    }
  }

  forEachPiece(use: (rows: Float32Array, count: number) => boolean | void): void {
    this.#flush();
    const most = this.#piece.length / this.width;
    for (let first = 0; first < this.rows; first += most) {
      const count = Math.min(most, this.rows - first);
      const bytes = this.#bytes.subarray(0, 4 * count * this.width);
      readWhole(this.#fd, bytes, 4 * first * this.width, this.path);
      if (use(this.#piece.subarray(0, count * this.width), count) === true) {
        this.#write(bytes, 4 * first * this.width);
      }
    }
  }

  close(): void {
    this.#flush();
    closeSync(this.#fd);
  }

  #flush(): void {
    const first = this.rows - this.#pending;
    this.#write(this.#bytes.subarray(0, 4 * this.#pending * this.width), 4 * first * this.width);
    this.#pending = 0;
  }

  #write(bytes: Uint8Array, position: number): void {
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done, position + done);
      }
    } catch (cause) {
      ftruncateSync(this.#fd, 0);
      unlinkSync(this.path);
      const what = `${this.path}: the rows do not fit (${(cause as Error).message}); --data-cache names another folder`;
      throw new DataError('data', what, { cause });
    }
  }
}

/** Fills `out` from a place of a file. @throws DataError when the file ends before */
export function readWhole(fd: number, out: Uint8Array, position: number, path: string): void {
  for (let done = 0; done < out.length;) {
    const count = readSync(fd, out, done, out.length - done, position + done);
    if (count === 0) throw new DataError('data', `${path}: the cache of rows was cut off`);
    done += count;
  }
}
