import { UnsupportedError } from '../../base/errors.js';
import { memorySize } from '../memory-size.js';
import type { Device } from './device.js';

/** What vectors of any width divide, and every tensor starts at. */
const ALIGNMENT = 64;
/** Small tensors share chunks of this size. */
export const CHUNK_BYTES = 16 * 2 ** 20;
/** From this size on a tensor has a chunk of its own. */
const LARGE_BYTES = 2 ** 20;
/** Left to the driver, other processes and what libraries take themselves. */
const RESERVED_BYTES = 256 * 2 ** 20;

/** Memory of a device, handed out in order from chunks that are taken when they are needed. The device gives
 * them back when it is closed. */
export class DeviceArena {
  #capacity: number;
  readonly #device: Device;
  #allocated = 0;
  #at = 0;
  #left = 0;

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
    let at = this.#at;
    if (size >= LARGE_BYTES) {
      at = this.#chunk(size, size, what);
    } else {
      if (size >= this.#left) {
        this.#at = at = this.#chunk(CHUNK_BYTES, size, what);
        this.#left = CHUNK_BYTES;
      }
      this.#at += size;
      this.#left -= size;
    }
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

  /** @param size of what it is for */
  #chunk(bytes: number, size: number, what: string): number {
    const at = this.#device.allocate(bytes);
    if (at === null) throw this.#full(size, what);
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
