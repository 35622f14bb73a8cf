import { FORMAT_BYTES, isInteger, type NumberFormat } from '../../data/number-formats.js';
import { type Cell, CellList } from './cell-list.js';
import type { MemoryLease } from './memory-budget.js';
import { readNumbers } from './number-bytes.js';
import { NumberList, placeOf } from './number-list.js';
import { badRequest } from './protocol-error.js';
import { isGiven, optionalObject, quote, refuseSharedMemory } from './request-values.js';
import type { WorkSlices } from './work-slices.js';

/** The protocol's datatypes of numbers; all are rounded to float32. */
const FORMATS: ReadonlyMap<unknown, NumberFormat> = new Map(
  Object.entries({
    FP32: 'f4',
    FP64: 'f8',
    FP16: 'f2',
    BF16: 'bf2',
    UINT8: 'u1',
    UINT16: 'u2',
    UINT32: 'u4',
    UINT64: 'u8',
    INT8: 'i1',
    INT16: 'i2',
    INT32: 'i4',
    INT64: 'i8',
  } as const),
);
/** Cells of a column, besides numbers. */
const CELL_TYPES = ['BOOL', 'BYTES'];

/** What reading may take. */
export interface ReadMeans {
  readonly lease: MemoryLease;
  readonly slices: WorkSlices;
}

/** A tensor of a request: its fields, and the bytes that follow the JSON, if it has such. */
export class Tensor {
  readonly name: string;
  readonly #datatype: unknown;
  readonly #shape: readonly number[];
  readonly #data: unknown;
  /** In blocks, as the lease holds them; null: it has none. */
  readonly #bytes: Buffer[] | null;

  /** @param bytes in blocks; null: it has none */
  constructor(fields: Readonly<Record<string, unknown>>, bytes: Buffer[] | null) {
    const { name, datatype, shape, data } = fields;
    this.name = String(name);
    this.#datatype = datatype;
    this.#data = data;
    this.#bytes = bytes;
    const sizes = Array.isArray(shape) && shape.length > 0 ? (shape as unknown[]) : null;
    if (!sizes?.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)) {
      throw badRequest(`${this.name}: shape is ${quote(shape)}; needs a list of sizes`);
    }
    this.#shape = sizes as number[];
    refuseSharedMemory(optionalObject(fields['parameters'], `${this.name}.parameters`));
    if (bytes !== null && isGiven(data)) {
      throw badRequest(`${this.name} has both data and binary_data_size`);
    }
  }

  /** Its first size; the others are one row, whatever their number.
   * @param features of a row; null: it is a column */
  rows(features: number | null): number {
    const [rows = 0, ...rest] = this.#shape;
    const width = rest.reduce((product, size) => product * size, 1);
    const shape = `${this.name}: shape is [${this.#shape.join(', ')}]`;
    if (features === null ? width !== 1 : rest.length === 0 || width !== features) {
      throw badRequest(`${shape}; needs ${features === null ? '[rows]' : `[rows, ${features}]`}`);
    }
    if (rows < 1) throw badRequest(`${shape}; needs a row or more`);
    return rows;
  }

  /** [rows, features] */
  async numbers(rows: number, features: number, means: ReadMeans): Promise<Float32Array> {
    return this.#numbers(rows * features, (index) => placeOf(index, features), false, means);
  }

  /** Of a column of a table. @returns the cell of a row */
  async cells(rows: number, means: ReadMeans): Promise<(row: number) => Cell> {
    const place = (row: number) => `${this.name}[${row}]`;
    if (!CELL_TYPES.includes(this.#datatype as string)) {
      const x = await this.#numbers(rows, place, true, means);
      return (row) => x[row] as number;
    }
    const isBool = this.#datatype === 'BOOL';
    if (this.#bytes !== null) {
      const bytes = joined(this.#bytes, means.lease);
      return isBool ? this.#booleans(bytes, rows, place) : this.#texts(bytes, rows, place);
    }
    const data = this.#data;
    if (!(data instanceof CellList) && !(data instanceof NumberList)) {
      throw badRequest(`${this.name}: "data" must be a list`);
    }
    this.#checkCount(data.length, rows, 'cells');
    if (data instanceof NumberList) {
      const x = await data.join(means.slices);
      return isBool ? (row) => booleanOf(x[row] as number, place(row)) : (row) => x[row] as number;
    }
    if (!isBool) return (row) => data.at(row);
    return (row) => {
      const cell = data.at(row);
      return typeof cell === 'number' ? booleanOf(cell, place(row)) : cell;
    };
  }

  async #numbers(
    count: number,
    place: (index: number) => string,
    gaps: boolean,
    means: ReadMeans,
  ): Promise<Float32Array> {
    const format = FORMATS.get(this.#datatype);
    if (format === undefined) {
      const known = [...FORMATS.keys(), ...(gaps ? CELL_TYPES : [])].join(', ');
      throw badRequest(`${this.name}: datatype is ${quote(this.#datatype)}; needs one of ${known}`);
    }
    if (this.#bytes !== null) {
      const bytes = this.#bytes.reduce((sum, { length }) => sum + length, 0);
      this.#checkBytes(bytes, count * FORMAT_BYTES[format], count);
      return readNumbers(this.#bytes, { format, place, gaps }, means);
    }
    const data = this.#data;
    if (data instanceof CellList) {
      const what = `${place(0)} is ${quote(data.at(0))}; ${String(this.#datatype)} needs numbers`;
      throw badRequest(what);
    }
    if (!(data instanceof NumberList)) throw badRequest(`${this.name}: "data" must be a list`);
    this.#checkCount(data.length, count, 'numbers');
    if (!gaps && data.firstGap >= 0)
      throw badRequest(`${place(data.firstGap)} is null; needs a number`);
    if (isInteger(format)) this.#checkRange(data, format, place);
    return data.join(means.slices);
  }

  #checkCount(found: number, count: number, what: string): void {
    if (found === count) return;
    throw badRequest(`${this.name}: data has ${found} ${what}; its shape needs ${count}`);
  }

  #checkRange(data: NumberList, format: NumberFormat, place: (index: number) => string): void {
    const bits = 8 * FORMAT_BYTES[format];
    const [least, most] = format.startsWith('u')
      ? [0, 2 ** bits - 1]
      : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
    const found = data.outside(least, most);
    if (found === null) return;
    const holds = `${String(this.#datatype)} holds integers from ${least} to ${most}`;
    throw badRequest(`${place(found.index)} is ${found.value}; ${holds}`);
  }

  #checkBytes(bytes: number, needed: number, count: number): void {
    if (bytes === needed) return;
    throw badRequest(
      `${this.name}: binary_data_size is ${bytes}; ${count} of ${String(this.#datatype)} take ${needed}`,
    );
  }

  #booleans(bytes: Buffer, rows: number, place: (row: number) => string): (row: number) => Cell {
    this.#checkBytes(bytes.length, rows, rows);
    return (row) => booleanOf(bytes[row] as number, place(row));
  }

  /** Texts, each after its length in four bytes. Cells are asked for in order. */
  #texts(bytes: Buffer, rows: number, place: (row: number) => string): (row: number) => Cell {
    let at = 0;
    return (row) => {
      const end = at + 4 <= bytes.length ? at + 4 + bytes.readUInt32LE(at) : Infinity;
      if (end > bytes.length) throw badRequest(`${place(row)} ends after the tensor's bytes`);
      const text = bytes.toString('utf8', at + 4, end);
      at = end;
      if (row === rows - 1 && at < bytes.length) {
        throw badRequest(`${this.name}: ${bytes.length - at} bytes follow its last text`);
      }
      return text;
    };
  }
}

function booleanOf(value: number, place: string): boolean | null {
  if (value === 0 || value === 1) return value === 1;
  if (Number.isNaN(value)) return null;
  throw badRequest(`${place} is ${value}; BOOL holds 0 and 1`);
}

function joined(blocks: Buffer[], lease: MemoryLease): Buffer {
  const bytes = blocks.reduce((sum, { length }) => sum + length, 0);
  lease.take(bytes);
  const all = Buffer.concat(blocks);
  blocks.length = 0;
  lease.give(bytes);
  return all;
}
