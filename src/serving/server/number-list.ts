import type { MemoryLease } from './memory-budget.js';
import { badRequest } from './protocol-error.js';
import type { WorkSlices } from './work-slices.js';

const MOST_NESTED = 8;
/** Arrays of 64 bytes are on the engine's heap, and made much faster than others. */
const FIRST_BLOCK = 16;
const LARGEST_BLOCK = 1 << 14;
const MOST_NUMBER_BYTES = 1024;

/** Powers of ten that are exact in float64. */
const POWERS = Float64Array.from({ length: 23 }, (_, i) => 10 ** i);
/** Digits whose value is off by a few roundings at most when they are added up in float64. */
const MOST_DIGITS = 19;
/** More than those roundings, and that of the power, come to, relative to the number. */
const ROUNDING = 4e-15;

const VALUE = 0;
const FIRST = 1;
const COMMA = 2;

interface Found {
  value: number;
  index: number;
}

/** A list of numbers, nested or flat, as float32: each is what rounding JSON's number gives. */
export class NumberList {
  readonly #features: number;
  readonly #lease: MemoryLease;
  readonly #gaps: boolean;
  readonly #blocks: Float32Array[] = [];
  #block = new Float32Array(0);
  /** Numbers in the last block, and in those before it. */
  #inBlock = 0;
  #before = 0;
  #nested = 0;
  #expects = VALUE;
  /** Its least and largest number, and the first that is no integer, before they are rounded. */
  readonly #least: Found = { value: Infinity, index: -1 };
  readonly #most: Found = { value: -Infinity, index: -1 };
  readonly #fraction: Found = { value: 0, index: -1 };
  /** Place of the first null; −1: there is none. */
  firstGap = -1;
  /** Where something stands that is no number, as the last `read` found it; −1: nowhere. */
  refused = -1;

  /**
   * @param features of a row, to name the place of what is wrong
   * @param gaps whether null may stand for a number: NaN
   */
  constructor(features: number, lease: MemoryLease, gaps = false) {
    this.#features = features;
    this.#lease = lease;
    this.#gaps = gaps;
  }

  /** Whether its end has not been read. */
  get isOpen(): boolean {
    return this.#nested > 0;
  }
  get length(): number {
    return this.#before + this.#inBlock;
  }

  /**
   * Reads on, from the list's opening bracket or where the last call ended.
   *
   * @returns where it ended: after the list, at a number that is cut off, or at what is no number
   */
  read(bytes: Buffer, from: number): number {
    let at = from;
    let expects = this.#expects;
    this.refused = -1;
    for (; at < bytes.length;) {
      const byte = bytes[at] as number;
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
        at++;
      } else if (byte === 0x5d && expects !== VALUE) {
        at++;
        expects = COMMA;
        if (--this.#nested === 0) break;
      } else if (expects === COMMA) {
        if (byte !== 0x2c) {
          this.refused = at;
          break;
        }
        at++;
        expects = VALUE;
      } else if (byte === 0x5b) {
        if (++this.#nested > MOST_NESTED) {
          throw badRequest(`data is nested too deep; it may be ${MOST_NESTED} deep`);
        }
        at++;
        expects = FIRST;
      } else {
        const end = byte === 0x6e ? this.#gap(bytes, at) : this.#number(bytes, at);
        if (end === at) break;
        at = end;
        expects = COMMA;
      }
    }
    this.#expects = expects;
    return at;
  }

  /** A number that is not an integer from `least` to `most`, as float64 has it; null: all are. */
  outside(least: number, most: number): Found | null {
    if (this.#fraction.index >= 0) return this.#fraction;
    if (this.#least.value < least) return this.#least;
    return this.#most.value > most ? this.#most : null;
  }

  /** All numbers, one after another. */
  async join(slices: WorkSlices): Promise<Float32Array> {
    if (this.#blocks.length === 0) return this.#block.subarray(0, this.#inBlock);
    this.#lease.take(4 * this.length);
    const all = new Float32Array(this.length);
    let at = 0;
    for (const block of [...this.#blocks, this.#block.subarray(0, this.#inBlock)]) {
      await slices.run(() => all.set(block, at));
      at += block.length;
    }
    this.#lease.give(4 * (this.#before + this.#block.length));
    this.#blocks.length = 0;
    return all;
  }

  /** @returns where `null` ends; `at`: it is cut off, or refused */
  #gap(bytes: Buffer, at: number): number {
    const word = bytes.toString('latin1', at, at + 4);
    if (this.#gaps && word === 'null') {
      if (this.firstGap < 0) this.firstGap = this.length;
      this.#push(Number.NaN);
      return at + 4;
    }
    if (!this.#gaps || !'null'.startsWith(word)) this.refused = at;
    return at;
  }

  /** @returns where the number ends; `at`: it is none, or may go on beyond these bytes */
  #number(bytes: Buffer, at: number): number {
    let i = at;
    let c = bytes[i] as number;
    const isNegative = c === 0x2d;
    if (isNegative) c = bytes[++i] as number;
    let value = 0;
    let digits = 0;
    let scale = 0;
    const first = i;
    while (c >= 0x30 && c <= 0x39) {
      value = 10 * value + (c - 0x30);
      c = bytes[++i] as number;
    }
    // No digits, or a zero before others.
    let isFine = i > first && (bytes[first] !== 0x30 || i === first + 1);
    digits = i - first;
    if (c === 0x2e) {
      const point = i;
      c = bytes[++i] as number;
      while (c >= 0x30 && c <= 0x39) {
        value = 10 * value + (c - 0x30);
        // Zeros before the first other digit cost no precision.
        if (value > 0) digits++;
        c = bytes[++i] as number;
      }
      scale = point + 1 - i;
      isFine &&= scale < 0;
    }
    if (c === 0x65 || c === 0x45) {
      c = bytes[++i] as number;
      const isSmall = c === 0x2d;
      if (isSmall || c === 0x2b) c = bytes[++i] as number;
      const start = i;
      let exponent = 0;
      while (c >= 0x30 && c <= 0x39) {
        exponent = Math.min(10 * exponent + (c - 0x30), 1e6);
        c = bytes[++i] as number;
      }
      isFine &&= i > start;
      scale += isSmall ? -exponent : exponent;
    }
    if (i - at > MOST_NUMBER_BYTES) {
      throw badRequest(`a number of data has more than ${MOST_NUMBER_BYTES} characters`);
    }
    if (i >= bytes.length) return at;
    if (!isFine) {
      this.refused = at;
      return at;
    }
    const fast = this.#float32(isNegative ? -value : value, digits, scale);
    this.#add(Number.isNaN(fast) ? this.#parsed(bytes.toString('latin1', at, i)) : fast);
    return i;
  }

  /** The float32 nearest to sum · 10^scale; NaN where this way does not say which it is. */
  #float32(sum: number, digits: number, scale: number): number {
    if (digits > MOST_DIGITS || scale < -22 || scale > 22) return Number.NaN;
    const value = scale < 0 ? sum / (POWERS[-scale] as number) : sum * (POWERS[scale] as number);
    const low = Math.fround(value * (1 - ROUNDING));
    // Unless a boundary between two float32 is that near, this is the right one of them.
    if (low !== Math.fround(value * (1 + ROUNDING))) return Number.NaN;
    this.#look(value);
    return low;
  }

  #parsed(text: string): number {
    const value = Number(text);
    this.#look(value);
    return Math.fround(value);
  }

  #look(value: number): void {
    if (value < this.#least.value) this.#note(this.#least, value);
    if (value > this.#most.value) this.#note(this.#most, value);
    if (this.#fraction.index < 0 && value % 1 !== 0) this.#note(this.#fraction, value);
  }

  #note(found: Found, value: number): void {
    found.value = value;
    found.index = this.length;
  }

  #add(value: number): void {
    if (value - value !== 0) {
      const place = placeOf(this.length, this.#features);
      throw badRequest(`${place} is ${value} in float32; inputs must be finite`);
    }
    this.#push(value);
  }

  #push(value: number): void {
    if (this.#inBlock === this.#block.length) this.#grow();
    this.#block[this.#inBlock++] = value;
  }

  #grow(): void {
    const length = Math.min(LARGEST_BLOCK, Math.max(FIRST_BLOCK, 2 * this.#block.length));
    this.#lease.take(4 * length);
    if (this.#block.length > 0) this.#blocks.push(this.#block);
    this.#before += this.#inBlock;
    this.#block = new Float32Array(length);
    this.#inBlock = 0;
  }
}

/** Where a number stands in the model's input. */
export function placeOf(index: number, features: number): string {
  return `x[${Math.floor(index / features)}, ${index % features}]`;
}
