import { NativeError } from '../../base/errors.js';
import type { PendingCopy } from '../../tensor/region-copies.js';
import type { MemoryCopies } from '../../native/library.js';
import type { Calls } from './calls.js';
import type { Device } from './device.js';

/** Of a block of pages that the device reaches itself. A longer write waits; a longer read takes several. */
const LARGEST_BYTES = 4 * 2 ** 20;
const SMALLEST_BYTES = 4096;
/** Blocks of one size, at most; then the oldest copy is waited for. */
const MOST_BLOCKS = 32;
const DONE: PendingCopy = { wait() {} };

/** Copies between the host and a device that nobody waits for when they are called: the driver would wait
 * with memory of the host that may be swapped out. All are in order with the device's other work. */
export class Staging {
  readonly #device: Device;
  readonly #calls: Calls;
  readonly #host: MemoryCopies;
  /** By the power of two that is their size. */
  readonly #blocks = new Map<number, Blocks>();

  constructor(device: Device, calls: Calls, host: MemoryCopies) {
    this.#device = device;
    this.#calls = calls;
    this.#host = host;
  }

  /** `from` may be changed when the call returns. */
  write(from: ArrayBufferView, to: number): void {
    const { byteLength } = from;
    if (byteLength === 0) return;
    this.#calls.submit();
    if (byteLength > LARGEST_BYTES) {
      this.#device.write(from, to);
      return;
    }
    const block = this.#take(byteLength);
    this.#host.toAddress(block.address, from, byteLength);
    this.#device.copyFromPages(block.address, to, byteLength);
    this.#device.record(block.event);
    block.used();
  }

  /** Of what earlier calls leave there. `into` is written in the wait. */
  startRead(from: number, into: ArrayBufferView): PendingCopy {
    const { byteLength } = into;
    if (byteLength === 0) return DONE;
    this.#calls.submit();
    if (byteLength > LARGEST_BYTES) return this.#startParts(from, into);
    const block = this.#take(byteLength);
    this.#device.copyToPages(from, block.address, byteLength);
    this.#device.record(block.event);
    block.into = into;
    return block;
  }

  #startParts(from: number, into: ArrayBufferView): PendingCopy {
    const parts: PendingCopy[] = [];
    for (let at = 0; at < into.byteLength; at += LARGEST_BYTES) {
      const bytes = Math.min(LARGEST_BYTES, into.byteLength - at);
      const part = new Uint8Array(into.buffer, into.byteOffset + at, bytes);
      parts.push(this.startRead(from + at, part));
    }
    return {
      wait: () => {
        for (const part of parts) part.wait();
      },
    };
  }

  /** A block that no copy is under way of. */
  #take(bytes: number): Block {
    let size = SMALLEST_BYTES;
    while (size < bytes) size *= 2;
    let blocks = this.#blocks.get(size);
    if (blocks === undefined) {
      blocks = { made: 0, queue: [] };
      this.#blocks.set(size, blocks);
    }
    const [device, oldest] = [this.#device, blocks.queue[0]];
    if (oldest !== undefined) {
      const hasCome = device.hasCome(oldest.event);
      if (hasCome || blocks.made >= MOST_BLOCKS) {
        if (!hasCome) device.waitFor(oldest.event);
        blocks.queue.shift();
        return oldest;
      }
    }
    const address = device.allocatePages(size);
    if (address === null) {
      const what = `the host has no ${size} bytes of memory that a device can reach`;
      throw new NativeError('cuda', `${what}; raise ulimit -l, or end other processes`);
    }
    blocks.made++;
    const parts = { device, calls: this.#calls, host: this.#host, queue: blocks.queue };
    return new Block(parts, address, device.createEvent());
  }
}

/** Blocks of one size. */
interface Blocks {
  made: number;
  /** Those that are in no read; the front is the oldest in use. */
  readonly queue: Block[];
}

interface BlockParts {
  readonly device: Device;
  readonly calls: Calls;
  readonly host: MemoryCopies;
  readonly queue: Block[];
}

/** Pages of the host that the device reaches, and an event that comes when a copy of theirs has run. As a
 * read it is waited for before it is used again. */
class Block implements PendingCopy {
  readonly address: number;
  readonly event: number;
  /** Of the read that is under way; null: there is none. */
  into: ArrayBufferView | null = null;
  readonly #parts: BlockParts;

  constructor(parts: BlockParts, address: number, event: number) {
    this.#parts = parts;
    this.address = address;
    this.event = event;
  }

  used(): void {
    this.#parts.queue.push(this);
  }

  wait(): void {
    const { into } = this;
    if (into === null) return;
    this.into = null;
    const { device, calls, host, queue } = this.#parts;
    // What has been called since runs while the host waits.
    calls.submit();
    device.waitFor(this.event);
    host.fromAddress(into, this.address, into.byteLength);
    queue.unshift(this);
  }
}
