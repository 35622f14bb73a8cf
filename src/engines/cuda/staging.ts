import { NativeError } from '../../base/errors.js';
import type { PendingCopy } from '../../tensor/region-copies.js';
import type { MemoryCopies } from '../../native/library.js';
import type { Device } from './device.js';

/** Of a block of pages that the device reaches itself. A longer write waits; a longer read takes several. */
const LARGEST_BYTES = 4 * 2 ** 20;
const SMALLEST_BYTES = 4096;
/** Blocks of one size, at most; then the oldest copy is waited for. */
const MOST_BLOCKS = 32;
const DONE: PendingCopy = { wait() {} };

/** Pages of the host that the device reaches, and whether a copy of theirs has run. */
interface Block {
  readonly address: number;
  readonly event: number;
}

/** Copies between the host and a device that nobody waits for when they are called: the driver would wait
 * with memory of the host that may be swapped out. All are in order with the device's other work. */
export class Staging {
  readonly #device: Device;
  readonly #host: MemoryCopies;
  /** By size; the front is the oldest in use. */
  readonly #blocks = new Map<number, Block[]>();
  readonly #made = new Map<number, number>();

  constructor(device: Device, host: MemoryCopies) {
    this.#device = device;
    this.#host = host;
  }

  /** `from` may be changed when the call returns. */
  write(from: ArrayBufferView, to: number): void {
    const { byteLength } = from;
    if (byteLength === 0) return;
    if (byteLength > LARGEST_BYTES) {
      this.#device.write(from, to);
      return;
    }
    const size = sizeOf(byteLength);
    const block = this.#take(size);
    this.#host.toAddress(block.address, from, byteLength);
    this.#device.copyFromPages(block.address, to, byteLength);
    this.#device.record(block.event);
    this.#blocks.get(size)?.push(block);
  }

  /** Of what earlier calls leave there. `into` is written in the wait. */
  startRead(from: number, into: ArrayBufferView): PendingCopy {
    const { byteLength } = into;
    if (byteLength === 0) return DONE;
    if (byteLength > LARGEST_BYTES) {
      const parts: PendingCopy[] = [];
      for (let at = 0; at < byteLength; at += LARGEST_BYTES) {
        const bytes = Math.min(LARGEST_BYTES, byteLength - at);
        const part = new Uint8Array(into.buffer, into.byteOffset + at, bytes);
        parts.push(this.startRead(from + at, part));
      }
      return {
        wait: () => {
          for (const part of parts) part.wait();
        },
      };
    }
    const device = this.#device;
    const size = sizeOf(byteLength);
    const block = this.#take(size);
    device.copyToPages(from, block.address, byteLength);
    device.record(block.event);
    let isDone = false;
    return {
      wait: () => {
        if (isDone) return;
        isDone = true;
        device.waitFor(block.event);
        this.#host.fromAddress(into, block.address, byteLength);
        this.#blocks.get(size)?.unshift(block);
      },
    };
  }

  /** A block that no copy is under way of. */
  #take(size: number): Block {
    const blocks = this.#blocks.get(size) ?? [];
    this.#blocks.set(size, blocks);
    const oldest = blocks[0];
    const made = this.#made.get(size) ?? 0;
    if (oldest !== undefined && (made >= MOST_BLOCKS || this.#device.hasCome(oldest.event))) {
      blocks.shift();
      this.#device.waitFor(oldest.event);
      return oldest;
    }
    const address = this.#device.allocatePages(size);
    if (address === null) {
      const what = `the host has no ${size} bytes of memory that a device can reach`;
      throw new NativeError('cuda', `${what}; raise ulimit -l, or end other processes`);
    }
    this.#made.set(size, made + 1);
    return { address, event: this.#device.createEvent() };
  }
}

function sizeOf(bytes: number): number {
  let size = SMALLEST_BYTES;
  while (size < bytes) size *= 2;
  return size;
}
