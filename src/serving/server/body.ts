import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import zlib from 'node:zlib';
import type { MemoryLease } from './memory-budget.js';
import { badRequest, ProtocolError } from './protocol-error.js';
import type { WorkSlices } from './work-slices.js';

const FIRST_BLOCK_BYTES = 1 << 10;
const BLOCK_BYTES = 1 << 16;
/** What a decoder holds. */
const DECODER_BYTES = 1 << 18;

const DECODERS = new Map([
  ['gzip', () => zlib.createGunzip()],
  ['deflate', () => zlib.createInflate()],
]);

/** Takes a body as it arrives. */
export interface BodySink {
  /** @param block good beyond the call */
  push(block: Buffer): void;
}

/** Reads bodies in blocks, whatever the pieces they arrive in, and bounds their size. */
export class BodyReader {
  readonly #mostBytes: number;
  readonly #slices: WorkSlices;
  readonly #blockBytes: number;

  constructor(mostBytes: number, slices: WorkSlices, blockBytes = BLOCK_BYTES) {
    this.#blockBytes = blockBytes;
    this.#mostBytes = mostBytes;
    this.#slices = slices;
  }

  /**
   * What is refused before its end is left to the HTTP server to read and drop: a client that writes
   * all of a body before it reads would find a closed connection, and never see the answer.
   *
   * @throws ProtocolError for a body that is too large, cut off, in an unknown encoding, or too much
   * for now; what the sink throws
   */
  async read(incoming: IncomingMessage, sink: BodySink, lease: MemoryLease): Promise<void> {
    if (Number(incoming.headers['content-length'] ?? 0) > this.#mostBytes) throw this.#tooLarge();
    const encoding = incoming.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
    if (encoding === 'identity') return this.#readPieces(incoming, sink, lease, cutOff);
    const create = DECODERS.get(encoding);
    if (create === undefined) {
      const what = `Content-Encoding is ${JSON.stringify(encoding.slice(0, 40))}`;
      const known = [...DECODERS.keys()].join(', ');
      throw new ProtocolError('unsupported', `${what}; needs one of ${known}`);
    }
    lease.take(DECODER_BYTES);
    const decoder = create();
    let bytes = 0;
    // Some bytes decode to nothing, in any number.
    incoming.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes > this.#mostBytes) decoder.destroy(this.#tooLarge());
    });
    incoming.once('close', () => {
      if (!incoming.complete) decoder.destroy(cutOff(new Error('the connection was closed')));
    });
    incoming.pipe(decoder);
    try {
      await this.#readPieces(decoder, sink, lease, (error) =>
        badRequest(`the body is not ${encoding}: ${error.message}`),
      );
    } finally {
      decoder.destroy();
      lease.give(DECODER_BYTES);
    }
  }

  /** By events: an iterator costs as much as everything else that a small request needs. */
  #readPieces(
    stream: Readable,
    sink: BodySink,
    lease: MemoryLease,
    failure: (error: Error) => ProtocolError,
  ): Promise<void> {
    const blocks = new Blocks(this.#blockBytes, sink, { slices: this.#slices, lease });
    let bytes = 0;
    let isPushing = false;
    let hasEnded = false;
    let cause: Error | null = null;
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        cause ??= error;
        // Until then the sink takes memory.
        if (!isPushing) reject(cause instanceof ProtocolError ? cause : failure(cause));
      };
      const waitFor = async (pushed: Promise<void>, isLast: boolean): Promise<void> => {
        isPushing = true;
        if (!isLast) stream.pause();
        try {
          await pushed;
        } catch (error) {
          cause ??= error as Error;
        }
        isPushing = false;
        if (cause !== null) fail(cause);
        else if (isLast) resolve();
        // Streams that are paused end too.
        else if (hasEnded) void waitFor(blocks.end(), true);
        else stream.resume();
      };
      stream.on('data', (piece: Buffer) => {
        if (cause !== null) return;
        try {
          bytes += piece.length;
          if (bytes > this.#mostBytes) throw this.#tooLarge();
          const pushed = blocks.add(piece);
          if (pushed !== undefined) void waitFor(pushed, false);
        } catch (error) {
          fail(error as Error);
        }
      });
      stream.once('end', () => {
        hasEnded = true;
        if (cause === null && !isPushing) void waitFor(blocks.end(), true);
      });
      // Stays: an error that nobody hears of would end the process.
      stream.on('error', fail);
      stream.once('close', () => {
        // An error takes long to make.
        if (cause === null && !hasEnded) fail(new Error('the connection was closed'));
      });
    });
  }

  #tooLarge(): ProtocolError {
    const what = `a body has at most ${this.#mostBytes} bytes; send fewer rows at a time`;
    return new ProtocolError('too_large', what);
  }
}

/** Bytes of pieces of any size, in blocks for a sink. */
class Blocks {
  readonly #mostBytes: number;
  readonly #sink: BodySink;
  readonly #means: { readonly slices: WorkSlices; readonly lease: MemoryLease };
  #block = Buffer.alloc(0);
  #filled = 0;

  constructor(
    mostBytes: number,
    sink: BodySink,
    means: { readonly slices: WorkSlices; readonly lease: MemoryLease },
  ) {
    this.#mostBytes = mostBytes;
    this.#sink = sink;
    this.#means = means;
  }

  /** @returns when more may be added; undefined: at once. @throws what the sink and the lease throw */
  add(piece: Buffer): Promise<void> | undefined {
    for (let from = 0; from < piece.length;) {
      if (this.#filled === this.#mostBytes) {
        const pushed = this.#flush();
        if (pushed !== undefined) return pushed.then(() => this.add(piece.subarray(from)));
      }
      if (this.#filled === this.#block.length) this.#enlarge(piece.length - from);
      const taken = piece.copy(this.#block, this.#filled, from);
      this.#filled += taken;
      from += taken;
    }
    return undefined;
  }

  /** Hands on what is left. */
  async end(): Promise<void> {
    await this.#flush();
  }

  #enlarge(byBytes: number): void {
    const needed = Math.max(FIRST_BLOCK_BYTES, 2 * this.#filled, byBytes);
    const larger = Buffer.allocUnsafe(Math.min(this.#mostBytes, needed));
    this.#means.lease.take(larger.length - this.#block.length);
    this.#block.copy(larger, 0, 0, this.#filled);
    this.#block = larger;
  }

  /** @returns when the sink has the block; undefined: it has */
  #flush(): Promise<void> | undefined {
    const block = this.#block;
    const full = block.subarray(0, this.#filled);
    this.#block = Buffer.alloc(0);
    this.#filled = 0;
    const pushed =
      full.length > 0 ? this.#means.slices.run(() => this.#sink.push(full)) : undefined;
    if (pushed instanceof Promise) return pushed.then(() => this.#means.lease.give(block.length));
    this.#means.lease.give(block.length);
    return undefined;
  }
}

function cutOff(error: Error): ProtocolError {
  return new ProtocolError('disconnected', `the body was cut off: ${error.message}`);
}
