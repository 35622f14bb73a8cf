import { UnsupportedError } from '../../base/errors.js';
import type { Slots } from '../engine.js';
import type { Calls } from './calls.js';
import type { Device } from './device.js';
import type { Launcher } from './kernel-launcher.js';

/** Blocks that leave a part each, at most: the number depends on what is summed alone, so that bits do not
 * depend on the device. */
const MOST_PARTS = 1024;
const ELEMENTS_PER_PART = 256;
/** Parts of a sum over n elements. */
export function partsOf(n: number): number {
  return Math.min(MOST_PARTS, Math.ceil(n / ELEMENTS_PER_PART));
}
/** Slots that are made room for at a time. */
const FEWEST_SLOTS = 8192;

/** Sums over all elements: blocks of a kernel leave parts, and one block adds them up into a slot. */
export class Sums {
  /** Where blocks leave their parts, for two sums at a time. */
  readonly parts: readonly [number, number];
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
  }
  static readonly bytes = 16 * MOST_PARTS;
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

  /** Launches the kernel that was begun, over n elements, and adds up the parts that it leaves: `count` sums,
   * into slots from `at` on. */
  into({ byteOffset }: Slots, at: number, n: number, count: 1 | 2 = 1): void {
    const slot = byteOffset + 8 * at;
    if (n === 0) {
      this.#calls.fill(slot, 0, 2 * count);
      return;
    }
    const blocks = partsOf(n);
    this.#launcher.blocks(blocks, n);
    for (const [i, parts] of this.parts.entries()) {
      if (i >= count) return;
      this.#launcher
        .of('finish_sum')
        .at(0, parts)
        .at(1, slot + 8 * i)
        .blocks(1, blocks);
    }
  }
}
