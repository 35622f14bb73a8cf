import { UnsupportedError } from '../../base/errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Slots } from '../engine.js';
import type { Calls } from './calls.js';
import type { Device } from './device.js';
import type { Launcher } from './kernel-launcher.js';

/** Blocks that leave a part each, at most: the number depends on what is summed alone, so that bits do not
 * depend on the device. */
const MOST_PARTS = 1024;
/** Two groups of four for each thread of a block. */
const ELEMENTS_PER_PART = 2048;
/** Parts of a sum over n elements. */
export function partsOf(n: number): number {
  return Math.min(MOST_PARTS, Math.ceil(n / ELEMENTS_PER_PART));
}
/** Rows of a range of columns that are summed, at least; ranges, at most, and parts of all of them. */
const ROWS_PER_RANGE = 64;
const MOST_RANGES = 64;
const MOST_COLUMN_PARTS = 65_536;
/** Columns that a block of `column_dots` sums: `COLUMNS` of kernels/cuda/columns.cu. */
const DOT_COLUMNS = 32;
/** Columns that a block of `cross_entropy` has: `LABELED` of kernels/cuda/losses.cu. */
const LABELED_COLUMNS = 8;
/** Slots that are made room for at a time. */
const FEWEST_SLOTS = 8192;

/** Sums over all elements: blocks of a kernel leave parts, and one block adds them up into a slot. */
export class Sums {
  /** Where blocks leave their parts, for two sums at a time. */
  readonly parts: readonly [number, number];
  /** Where blocks leave parts of columns. */
  readonly #columnParts: number;
  readonly #device: Device;
  readonly #calls: Calls;
  readonly #launcher: Launcher;
  #at = 0;
  #left = 0;

  /** @param memory as many bytes as `Sums.bytes` of the device's memory */
  constructor(device: Device, calls: Calls, launcher: Launcher, memory: number) {
    this.#device = device;
    this.#calls = calls;
    this.#launcher = launcher;
    this.parts = [memory, memory + 8 * MOST_PARTS];
    this.#columnParts = memory + 16 * MOST_PARTS;
  }
  static readonly bytes = 8 * (2 * MOST_PARTS + MOST_COLUMN_PARTS);
  /** Of the device's memory, taken for slots at a time. */
  static readonly slotBytes = 8 * FEWEST_SLOTS;

  /** @throws UnsupportedError when the device has no memory left */
  slots(count: number): Slots {
    if (count > this.#left) {
      const room = Math.max(count, FEWEST_SLOTS);
      const at = this.#device.allocate(8 * room);
      if (at === null) {
        throw new UnsupportedError(
          'engine memory',
          `${this.#device.name} has none for ${count} sums`,
        );
      }
      this.#at = at;
      this.#left = room;
    }
    const byteOffset = this.#at;
    this.#at += 8 * count;
    this.#left -= count;
    return { length: count, byteOffset, values: new Float64Array(count) };
  }

  /** Launches the kernel that was begun, over n elements, and adds up the parts that it leaves, into a slot. */
  into(slots: Slots, at: number, n: number): void {
    this.#into(slots.byteOffset + 8 * at, 1, n, partsOf(n));
  }
  /** The same of `cross_entropy`, over columns: two sums. */
  columnsInto(slots: Slots, at: number, columns: number): void {
    const blocks = Math.min(MOST_PARTS, Math.ceil(columns / LABELED_COLUMNS));
    this.#into(slots.byteOffset + 8 * at, 2, columns, blocks);
  }
  #into(slot: number, count: number, n: number, blocks: number): void {
    if (n === 0) {
      this.#calls.fill(slot, 0, 2 * count);
      return;
    }
    this.#launcher.blocks(blocks, n);
    for (const [i, parts] of this.parts.slice(0, count).entries()) {
      this.#launcher
        .of('finish_sum')
        .at(0, parts)
        .at(1, slot + 8 * i)
        .blocks(1, blocks);
    }
  }

  /** out[c] = Σ over rows of a · b, [rows, columns]. Ranges of rows, which depend on this shape alone, are summed by
   * themselves, so that a few columns keep a device busy. */
  columnDots(a: Tensor, b: Tensor, out: Tensor): void {
    const [rows = 0, columns = 1] = a.shape;
    const most = Math.min(MOST_RANGES, Math.floor(MOST_COLUMN_PARTS / columns));
    const height = Math.max(ROWS_PER_RANGE, Math.ceil(rows / Math.max(1, most)));
    const ranges = Math.max(1, Math.ceil(rows / height));
    const parts = ranges > 1 ? this.#columnParts : null;
    const dots = this.#launcher.of('column_dots').at(0, a).at(1, b).at(2, out).at(3, parts);
    dots.sizes(rows, columns).words(height);
    dots.blocks(ranges * Math.ceil(columns / DOT_COLUMNS));
    if (parts === null) return;
    const finish = this.#launcher.of('finish_columns').at(0, parts).at(1, out);
    finish.sizes(ranges, columns).each(columns);
  }
}
