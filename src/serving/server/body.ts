import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { badRequest, ProtocolError } from './protocol-error.js';

/** Bodies that are being read may take so many times the largest one between them. */
const LARGEST_AT_ONCE = 8;

const DECODERS = new Map([
  ['gzip', promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip)],
  ['deflate', promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate)],
]);

/** Reads bodies whole, and bounds what they take: each, and all together. */
export class BodyReader {
  readonly #mostBytes: number;
  readonly #budgetBytes: number;
  #usedBytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
    this.#budgetBytes = LARGEST_AT_ONCE * mostBytes;
  }

  /**
   * What is refused before its end is left to the HTTP server to read and drop: a client that writes
   * all of a body before it reads would find a closed connection, and never see the answer.
   *
   * @throws ProtocolError for a body that is too large, cut off, in an unknown encoding, or too much
   * for now
   */
  async read(incoming: IncomingMessage): Promise<Buffer> {
    if (Number(incoming.headers['content-length'] ?? 0) > this.#mostBytes) throw this.#tooLarge();
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
        const part = chunk as Buffer;
        bytes += part.length;
        this.#usedBytes += part.length;
        if (bytes > this.#mostBytes) throw this.#tooLarge();
        if (this.#usedBytes > this.#budgetBytes) throw tooMuch();
        chunks.push(part);
      }
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      throw new ProtocolError('disconnected', `the body was cut off: ${(error as Error).message}`);
    } finally {
      this.#usedBytes -= bytes;
    }
    const [only] = chunks;
    const body = chunks.length === 1 && only ? only : Buffer.concat(chunks, bytes);
    const encoding = incoming.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
    return encoding === 'identity' ? body : this.#decode(body, encoding);
  }

  async #decode(body: Buffer, encoding: string): Promise<Buffer> {
    const decode = DECODERS.get(encoding);
    if (decode === undefined) {
      const what = `Content-Encoding is ${JSON.stringify(encoding.slice(0, 40))}`;
      throw new ProtocolError(
        'unsupported',
        `${what}; needs one of ${[...DECODERS.keys()].join(', ')}`,
      );
    }
    // It may come to that.
    if (this.#usedBytes + this.#mostBytes > this.#budgetBytes) throw tooMuch();
    this.#usedBytes += this.#mostBytes;
    try {
      return await decode(body, { maxOutputLength: this.#mostBytes });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ERR_BUFFER_TOO_LARGE') throw this.#tooLarge();
      throw badRequest(`the body is not ${encoding}: ${message}`);
    } finally {
      this.#usedBytes -= this.#mostBytes;
    }
  }

  #tooLarge(): ProtocolError {
    const what = `a body has at most ${this.#mostBytes} bytes; send fewer rows at a time`;
    return new ProtocolError('too_large', what);
  }
}

function tooMuch(): ProtocolError {
  return new ProtocolError('unavailable', 'too many bodies at once; try again');
}
