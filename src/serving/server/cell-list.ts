import { endOfText, endOfWord, isSpace } from './json-tokens.js';
import type { MemoryLease } from './memory-budget.js';
import { badRequest } from './protocol-error.js';

/** What a tensor of a column holds, besides numbers. */
export type Cell = string | number | boolean | null;

const MOST_NESTED = 8;
/** More different values are for rows that are objects: those are not kept. */
const MOST_DIFFERENT = 1 << 16;
/** What one costs, besides its letters. */
const VALUE_BYTES = 96;
const FIRST_CELLS = 64;

/** A list of texts, booleans, null and numbers, nested or flat. Each different value is kept once. */
export class CellList {
  readonly #lease: MemoryLease;
  readonly #values: Cell[] = [];
  readonly #places = new Map<Cell, number>();
  #cells = new Uint32Array(0);
  #length = 0;
  #nested = 0;
  /** Whether a value or bracket may come next; else a comma, or the end. */
  #expectsValue = true;
  /** Whether a list may end here: after a value, or before its first. */
  #mayEnd = false;
  /** Where something stands that is no cell, as the last `read` found it; −1: nowhere. */
  refused = -1;

  constructor(lease: MemoryLease) {
    this.#lease = lease;
  }

  /** Whether its end has not been read. */
  get isOpen(): boolean {
    return this.#nested > 0;
  }
  get length(): number {
    return this.#length;
  }

  at(index: number): Cell {
    return this.#values[this.#cells[index] as number] as Cell;
  }

  /** @returns where it ended: after the list, at a cell that is cut off, or at what is none */
  read(bytes: Buffer, from: number): number {
    let at = from;
    this.refused = -1;
    while (at < bytes.length) {
      const byte = bytes[at] as number;
      if (isSpace(byte)) {
        at++;
      } else if (byte === 0x5d && this.#mayEnd) {
        at++;
        this.#expectsValue = false;
        if (--this.#nested === 0) return at;
      } else if (!this.#expectsValue) {
        if (byte !== 0x2c) return this.#refuse(at);
        at++;
        this.#expectsValue = true;
        this.#mayEnd = false;
      } else if (byte === 0x5b) {
        if (++this.#nested > MOST_NESTED) {
          throw badRequest(`data is nested too deep; it may be ${MOST_NESTED} deep`);
        }
        at++;
        this.#mayEnd = true;
      } else {
        const end = byte === 0x22 ? endOfText(bytes, at) : endOfWord(bytes, at);
        if (end < 0) return at;
        if (!this.#take(bytes, at, end)) return this.#refuse(at);
        at = end;
        this.#expectsValue = false;
        this.#mayEnd = true;
      }
    }
    return at;
  }

  #refuse(at: number): number {
    this.refused = at;
    return at;
  }

  /** @returns whether it is a cell */
  #take(bytes: Buffer, at: number, end: number): boolean {
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString('utf8', at, end));
    } catch {
      return false;
    }
    this.#add(value as Cell);
    return true;
  }

  #add(value: Cell): void {
    let place = this.#places.get(value);
    if (place === undefined) {
      if (this.#values.length === MOST_DIFFERENT) {
        const what = `data has more than ${MOST_DIFFERENT} different values`;
        throw badRequest(`${what}; send rows as objects to /predict`);
      }
      this.#lease.take(VALUE_BYTES + (typeof value === 'string' ? 2 * value.length : 0));
      place = this.#values.length;
      this.#values.push(value);
      this.#places.set(value, place);
    }
    if (this.#length === this.#cells.length) {
      const larger = Math.max(FIRST_CELLS, 2 * this.#length);
      this.#lease.take(4 * larger);
      const cells = new Uint32Array(larger);
      cells.set(this.#cells);
      this.#lease.give(4 * this.#length);
      this.#cells = cells;
    }
    this.#cells[this.#length++] = place;
  }
}
