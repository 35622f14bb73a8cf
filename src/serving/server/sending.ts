import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { WorkSlices } from './work-slices.js';

/** What a reader has to take, after some time of grace. */
export const LEAST_BYTES_PER_S = 1 << 18;
/** Of text that is sent at a time, or all of it. */
const PIECE_LETTERS = 1 << 16;

/** An answer in its encoding. */
export interface EncodedAnswer {
  readonly headers: Readonly<Record<string, string | number>>;
  /** At most. */
  readonly bytes: number;
  /** Each takes a slice of work to make. There is one or more. */
  readonly pieces: Iterable<string | Uint8Array>;
}

export interface SendOptions {
  readonly slices: WorkSlices;
  readonly graceMs: number;
  /** Of its reader, after that. */
  readonly leastBytesPerS: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Joins texts until they are worth sending. */
export function* joined(texts: Iterable<string>): Generator<string> {
  let text = '';
  for (const each of texts) {
    text += each;
    if (text.length < PIECE_LETTERS) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}

/**
 * Sends an answer in pieces, as fast as it is read. A connection that takes longer than `graceMs` and
 * the time of its bytes at the least rate is cut.
 *
 * @returns whether all of it was taken
 */
export async function sendAnswer(
  outgoing: ServerResponse,
  answer: EncodedAnswer,
  options: SendOptions,
): Promise<boolean> {
  const sending = new Sending(outgoing, answer.bytes, options);
  try {
    await sending.send(answer);
    return await sending.isTaken();
  } catch {
    // It has begun: there is no other answer to give.
    outgoing.req.socket.destroy();
    return false;
  } finally {
    sending.end();
  }
}

/** One answer on its way. */
class Sending {
  readonly #outgoing: ServerResponse;
  readonly #options: SendOptions;
  readonly #mostMs: number;
  /** From the first time that its reader is waited for. */
  #wait: { readonly closed: Promise<void>; readonly end: () => void } | null = null;

  constructor(outgoing: ServerResponse, bytes: number, options: SendOptions) {
    this.#outgoing = outgoing;
    this.#options = options;
    const mostMs = options.graceMs + (1000 * bytes) / options.leastBytesPerS;
    // A longer timer fires at once.
    this.#mostMs = Math.min(mostMs, 2 ** 31 - 1);
  }

  async send({ headers, pieces }: EncodedAnswer): Promise<void> {
    const outgoing = this.#outgoing;
    const iterator = pieces[Symbol.iterator]();
    const next = () => this.#options.slices.run(() => iterator.next());
    let piece = await next();
    let following = await next();
    const all = { ...this.#options.headers, ...headers };
    const { value: first = '' } = piece as { value?: string | Uint8Array };
    const isWhole = following.done === true && !('Content-Length' in all);
    outgoing.writeHead(200, isWhole ? { ...all, 'Content-Length': Buffer.byteLength(first) } : all);
    while (following.done !== true) {
      outgoing.write(piece.value);
      if (!(await this.#isDrained())) return;
      piece = following;
      following = await next();
    }
    outgoing.end(piece.value);
  }

  /** Waits until all has left. @returns whether it has */
  async isTaken(): Promise<boolean> {
    const outgoing = this.#outgoing;
    // Nearly always it is with the system by now.
    if (outgoing.writableLength === 0 && !outgoing.req.socket.destroyed) return true;
    await this.#closed();
    return outgoing.writableFinished;
  }

  /** Forgets the connection. */
  end(): void {
    this.#wait?.end();
  }

  /** Waits until more may be written. @returns whether somebody still reads */
  async #isDrained(): Promise<boolean> {
    const outgoing = this.#outgoing;
    if (outgoing.writableNeedDrain) {
      await Promise.race([once(outgoing, 'drain'), this.#closed()]);
    }
    return !outgoing.req.socket.destroyed;
  }

  /** Settles when the answer or its connection has ended. */
  #closed(): Promise<void> {
    if (this.#wait !== null) return this.#wait.closed;
    const outgoing = this.#outgoing;
    const { socket } = outgoing.req;
    const slow = setTimeout(() => socket.destroy(), this.#mostMs);
    let close = () => {};
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    // An answer that waits for those before it on its connection does not hear of the connection's end.
    socket.once('close', close);
    outgoing.once('close', close);
    if (socket.destroyed || outgoing.closed) close();
    const end = () => {
      clearTimeout(slow);
      socket.off('close', close);
    };
    this.#wait = { closed, end };
    return closed;
  }
}
