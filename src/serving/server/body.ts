import type { IncomingMessage } from 'node:http';
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
    if (encoding === 'identity') {
      const pieces = incoming.iterator({ destroyOnReturn: false });
      return this.#readPieces(pieces, sink, lease, cutOff);
    }
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

  async #readPieces(
    pieces: AsyncIterable<Buffer>,
    sink: BodySink,
    lease: MemoryLease,
    failure: (error: Error) => ProtocolError,
  ): Promise<void> {
    let bytes = 0;
    let block = Buffer.alloc(0);
    let filled = 0;
    const flush = async () => {
      const full = block.subarray(0, filled);
      if (filled > 0) await this.#slices.run(() => sink.push(full));
      lease.give(block.length);
      block = Buffer.alloc(0);
      filled = 0;
    };
    try {
      for await (const piece of pieces) {
        bytes += piece.length;
        if (bytes > this.#mostBytes) throw this.#tooLarge();
        for (let from = 0; from < piece.length;) {
          if (filled === this.#blockBytes) await flush();
          if (filled === block.length) {
            const needed = Math.max(FIRST_BLOCK_BYTES, 2 * filled, piece.length - from);
            const larger = Buffer.allocUnsafe(Math.min(this.#blockBytes, needed));
            lease.take(larger.length - block.length);
            block.copy(larger, 0, 0, filled);
            block = larger;
          }
          const taken = piece.copy(block, filled, from);
          filled += taken;
          from += taken;
        }
      }
      await flush();
    } catch (error) {
      throw error instanceof ProtocolError ? error : failure(error as Error);
    }
  }

  #tooLarge(): ProtocolError {
    const what = `a body has at most ${this.#mostBytes} bytes; send fewer rows at a time`;
    return new ProtocolError('too_large', what);
  }
}

function cutOff(error: Error): ProtocolError {
  return new ProtocolError('disconnected', `the body was cut off: ${error.message}`);
}
