import type { IncomingMessage } from 'node:http';
import { ProtocolError } from './protocol-error.js';

/** Bodies that are being read may take so many times the largest one between them. */
const LARGEST_AT_ONCE = 8;

/** Reads bodies whole, and bounds what they take: each, and all together. */
export class BodyReader {
  readonly #mostBytes: number;
  readonly #budgetBytes: number;
  #usedBytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
    this.#budgetBytes = LARGEST_AT_ONCE * mostBytes;
  }

  /** @throws ProtocolError for a body that is too large, cut off, or too much for now */
  async read(incoming: IncomingMessage): Promise<Buffer> {
    if (Number(incoming.headers['content-length'] ?? 0) > this.#mostBytes) throw this.#tooLarge();
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of incoming as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        this.#usedBytes += chunk.length;
        if (bytes > this.#mostBytes) throw this.#tooLarge();
        if (this.#usedBytes > this.#budgetBytes) {
          throw new ProtocolError('unavailable', 'too many bodies at once; try again', true);
        }
        chunks.push(chunk);
      }
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      throw new ProtocolError('disconnected', `the body was cut off: ${(error as Error).message}`);
    } finally {
      this.#usedBytes -= bytes;
    }
    const [only] = chunks;
    return chunks.length === 1 && only ? only : Buffer.concat(chunks, bytes);
  }

  #tooLarge(): ProtocolError {
    const what = `a body has at most ${this.#mostBytes} bytes; send fewer rows at a time`;
    return new ProtocolError('too_large', what, true);
  }
}
