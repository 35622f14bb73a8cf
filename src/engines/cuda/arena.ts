import { UnsupportedError } from '../../base/errors.js';
import { memorySize } from '../memory-size.js';
import type { Device } from './device.js';

/** What vectors of any width divide, and every tensor starts at. */
const ALIGNMENT = 64;
/** A driver gives memory in pieces of this size. */
const PIECE_BYTES = 2 * 2 ** 20;
/** Small tensors share chunks of this size, others up to a size chunks for as many of theirs as go into it. */
export const CHUNK_BYTES = 16 * 2 ** 20;
const SMALL_BYTES = 2 ** 20;
/** From this size on a tensor has a chunk of its own. */
const LARGE_BYTES = 8 * 2 ** 20;
/** Left to the driver, other processes and what libraries take themselves. */
const RESERVED_BYTES = 256 * 2 ** 20;

/** Memory of a device, handed out from chunks that are taken when they are needed. The device gives them back when
 * it is closed. */
export class DeviceArena {
  #capacity: number;
  readonly #device: Device;
  #allocated = 0;
  /** What is left of chunks. */
  readonly #rests: { at: number; bytes: number }[] = [];

  constructor(device: Device) {
    this.#device = device;
    this.#capacity = Math.max(0, device.freeBytes - RESERVED_BYTES);
  }

  get capacityBytes(): number {
    return this.#capacity;
  }
  get allocatedBytes(): number {
    return this.#allocated;
  }

  /** The address of as many zeros. @param what for the message
   * @throws UnsupportedError when the device does not hold it */
  allocate(bytes: number, what: string): number {
    const size = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    if (this.#allocated + size > this.capacityBytes) throw this.#full(size, what);
    const at = size < LARGE_BYTES ? this.#shared(size) : this.#device.allocate(size);
    if (at === null) throw this.#full(size, what);
    this.#allocated += size;
    return at;
  }

  /** The address of as many zeros that are not part of `allocatedBytes`: `capacityBytes` is less then. null: the
   * device does not hold them. */
  setAside(bytes: number): number | null {
    if (this.#allocated + bytes > this.#capacity) return null;
    const at = this.#device.allocate(bytes);
    if (at !== null) this.#capacity -= bytes;
    return at;
  }

  /** Of the smallest rest that has as much, or of a new chunk; null: the device holds neither. */
  #shared(size: number): number | null {
    let best = -1;
    for (const [i, { bytes }] of this.#rests.entries()) {
      if (bytes >= size && bytes < (this.#rests[best]?.bytes ?? Infinity)) best = i;
    }
    if (best === -1) {
      const bytes = chunkBytes(size);
      const at = this.#device.allocate(bytes);
      if (at === null) return this.#device.allocate(size);
      best = this.#rests.push({ at, bytes }) - 1;
    }
    const rest = this.#rests[best];
    if (rest === undefined) return null;
    const { at } = rest;
    rest.at += size;
    rest.bytes -= size;
    if (rest.bytes === 0) this.#rests.splice(best, 1);
    return at;
  }

  #full(bytes: number, what: string): UnsupportedError {
    const { name, index } = this.#device;
    return new UnsupportedError(
      'engine memory',
      `${what} takes ${memorySize(bytes)}, ${memorySize(this.#allocated)} of ` +
        `${memorySize(this.capacityBytes)} are in use on device ${index} (${name}); use more devices, ` +
        'smaller batches or a narrower network',
    );
  }
}

function chunkBytes(size: number): number {
  if (size < SMALL_BYTES) return CHUNK_BYTES;
  return PIECE_BYTES * Math.ceil((Math.floor(CHUNK_BYTES / size) * size) / PIECE_BYTES);
}
