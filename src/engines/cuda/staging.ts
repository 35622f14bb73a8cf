import { NativeError } from '../../base/errors.js';
import type { PendingCopy } from '../../tensor/region-copies.js';
import type { MemoryCopies } from '../../native/library.js';
import type { Calls } from './calls.js';
import type { Device } from './device.js';

/** Of a block of pages that the device reaches itself. A longer copy takes several. */
const LARGEST_BYTES = 4 * 2 ** 20;
const SMALLEST_BYTES = 4096;
/** Blocks of one size, at most, those of reads under way included; then the oldest copy is waited for. */
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
    for (const [at, part] of partsOf(from)) this.#writePart(part, to + at);
  }

  #writePart(from: ArrayBufferView, to: number): void {
    const { byteLength } = from;
    const block = this.#take(byteLength);
    this.#host.toAddress(block.address, from, byteLength);
    this.#device.copyFromPages(block.address, to, byteLength);
    this.#device.record(block.event);
    block.used();
  }

  /** Of what earlier calls leave there. `into` is written in the wait, or before where too much is under way. */
  startRead(from: number, into: ArrayBufferView): PendingCopy {
    const { byteLength } = into;
    if (byteLength === 0) return DONE;
    this.#calls.submit();
    if (byteLength <= LARGEST_BYTES) return this.#startPart(from, into);
    const parts = [...partsOf(into)].map(([at, part]) => this.#startPart(from + at, part));
    return {
      wait: () => {
        for (const part of parts) part.wait();
      },
    };
  }

  #startPart(from: number, into: ArrayBufferView): PendingCopy {
    const { byteLength } = into;
    const block = this.#take(byteLength);
    this.#device.copyToPages(from, block.address, byteLength);
    this.#device.record(block.event);
    block.startRead(into);
    return block;
  }

  /** A block that no copy is under way of. */
  #take(bytes: number): Block {
    let size = SMALLEST_BYTES;
    while (size < bytes) size *= 2;
    let blocks = this.#blocks.get(size);
    if (blocks === undefined) {
      blocks = { made: 0, queue: [], reads: [] };
      this.#blocks.set(size, blocks);
    }
    const device = this.#device;
    // All are in reads: the oldest one ends now, and its block comes to the queue.
    if (blocks.made >= MOST_BLOCKS && blocks.queue.length === 0) blocks.reads[0]?.wait();
    const oldest = blocks.queue[0];
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
    const parts = { device, calls: this.#calls, host: this.#host, blocks };
    return new Block(parts, address, device.createEvent());
  }
}

/** Blocks of one size. */
interface Blocks {
  made: number;
  /** Those that are in no read; the front is the oldest in use. */
  readonly queue: Block[];
  /** Those that are in one, the oldest first. */
  readonly reads: Block[];
}

/** What a copy of a view is made of, each with its first byte's place. */
function* partsOf(view: ArrayBufferView): Generator<readonly [number, Uint8Array]> {
  const { buffer, byteOffset, byteLength } = view;
  for (let at = 0; at < byteLength; at += LARGEST_BYTES) {
    const bytes = Math.min(LARGEST_BYTES, byteLength - at);
    yield [at, new Uint8Array(buffer, byteOffset + at, bytes)];
  }
}

interface BlockParts {
  readonly device: Device;
  readonly calls: Calls;
  readonly host: MemoryCopies;
  readonly blocks: Blocks;
}

/** Pages of the host that the device reaches, and an event that comes when a copy of theirs has run. As a
 * read it is waited for before it is used again. */
class Block implements PendingCopy {
  readonly address: number;
  readonly event: number;
  /** Of the read that is under way; null: there is none. */
  #into: ArrayBufferView | null = null;
  readonly #parts: BlockParts;

  constructor(parts: BlockParts, address: number, event: number) {
    this.#parts = parts;
    this.address = address;
    this.event = event;
  }

  used(): void {
    this.#parts.blocks.queue.push(this);
  }

  startRead(into: ArrayBufferView): void {
    this.#into = into;
    this.#parts.blocks.reads.push(this);
  }

  wait(): void {
    const into = this.#into;
    if (into === null) return;
    this.#into = null;
    const { device, calls, host, blocks } = this.#parts;
    blocks.reads.splice(blocks.reads.indexOf(this), 1);
    // What has been called since runs while the host waits.
    calls.submit();
    device.waitFor(this.event);
    host.fromAddress(into, this.address, into.byteLength);
    blocks.queue.unshift(this);
  }
}
