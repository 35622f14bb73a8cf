import { sharedFloat32, sharedUint8 } from '../dataset.js';
import { type OpenFile, readAt } from '../open-file.js';
import { FORMAT_BYTES, type NumberFormat, swapBytes, viewNumbers } from '../number-formats.js';

/** Where the numbers of a matrix lie in a file, and how. */
export interface MatrixLayout {
  readonly position: number;
  readonly rows: number;
  readonly columns: number;
  readonly format: NumberFormat;
  readonly bigEndian: boolean;
  /** Column after column, as Fortran has them. */
  readonly columnMajor: boolean;
}

const CHUNK_BYTES = 4 << 20;

/** Reads a matrix as [rows, columns] row-major in shared memory; bytes stay bytes, other numbers
 * are rounded to float32. The caller has checked that the file holds it. */
export function readMatrix(file: OpenFile, layout: MatrixLayout): Uint8Array | Float32Array {
  const { position, rows, columns, format, bigEndian, columnMajor } = layout;
  const count = rows * columns;
  const bytes = format === 'u1';
  const out = bytes ? sharedUint8(count) : sharedFloat32(count);
  if (bytes && !columnMajor) {
    readAt(file, out as Uint8Array, position);
    return out;
  }
  const size = FORMAT_BYTES[format];
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, count * size));
  for (let first = 0; first < count; first += buffer.length / size) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, (count - first) * size));
    readAt(file, chunk, position + first * size);
    if (bigEndian) swapBytes(format, chunk);
    const numbers = viewNumbers(format, chunk);
    for (let i = 0; i < numbers.length; i++) {
      const at = first + i;
      const to = columnMajor ? (at % rows) * columns + Math.floor(at / rows) : at;
      out[to] = Number(numbers[i]);
    }
  }
  return out;
}

/** Reads rows `first … first + count − 1` as [count, columns] row-major, rounded to float32. */
export function readMatrixRows(
  file: OpenFile,
  { position, rows, columns, format, bigEndian, columnMajor }: MatrixLayout,
  first: number,
  count: number,
): Float32Array {
  const out = new Float32Array(count * columns);
  const size = FORMAT_BYTES[format];
  const runs = columnMajor ? columns : 1;
  const length = columnMajor ? count : count * columns;
  const bytes = new Uint8Array(length * size);
  for (let run = 0; run < runs; run++) {
    const start = columnMajor ? run * rows + first : first * columns;
    readAt(file, bytes, position + start * size);
    if (bigEndian) swapBytes(format, bytes);
    const numbers = viewNumbers(format, bytes);
    for (let i = 0; i < length; i++) out[columnMajor ? i * columns + run : i] = Number(numbers[i]);
  }
  return out;
}
