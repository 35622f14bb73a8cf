import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type InferRequest, JSON_LENGTH, OUTPUT } from './infer-request.js';
import type { WorkSlices } from './work-slices.js';

/** Longest text of a float32 in JSON, with its comma: −1.2345678901234567e-7 without the exponent. */
const MOST_NUMBER_BYTES = 26;
/** Everything else of an answer, besides its id. */
const HEAD_BYTES = 1024;
/** Numbers that are written in a slice. */
const SLICE = 1 << 12;
/** Bytes that are handed to a connection at a time. */
const PIECE_BYTES = 1 << 18;
/** What a reader has to take, after some time of grace. */
export const LEAST_BYTES_PER_S = 1 << 18;

export interface InferAnswer {
  readonly model: string;
  readonly version: string;
  /** That were in use; 0: the model has none. */
  readonly ghosts: number;
  /** [rows, outputs] */
  readonly y: Float32Array;
}

/** What an answer comes to at most, before it is there. */
export function mostAnswerBytes(
  { rows, binaryOutput, id }: Pick<InferRequest, 'rows' | 'binaryOutput' | 'id'>,
  outputs: number,
): number {
  const idBytes = 6 * (id?.length ?? 0);
  return HEAD_BYTES + idBytes + rows * outputs * (binaryOutput ? 4 : MOST_NUMBER_BYTES);
}

/**
 * Sends an answer in pieces, as fast as it is read. A connection that takes longer than `graceMs` and
 * the time of its bytes at the least rate is cut.
 *
 * @param headers besides those of the answer
 * @returns whether all of it was taken
 */
export async function sendAnswer(
  outgoing: ServerResponse,
  answer: InferAnswer,
  { id, rows, binaryOutput }: InferRequest,
  options: SendOptions,
): Promise<boolean> {
  const { model, version, ghosts, y } = answer;
  const tensor = { name: OUTPUT, datatype: 'FP32', shape: [rows, y.length / rows] };
  const head = {
    model_name: model,
    model_version: version,
    ...(id === null ? {} : { id }),
    ...(ghosts === 0 ? {} : { parameters: { ghosts } }),
  };
  const bytes = binaryOutput ? y.byteLength : MOST_NUMBER_BYTES * y.length;
  const sending = new Sending(outgoing, bytes, options);
  try {
    if (binaryOutput) {
      const parameters = { binary_data_size: y.byteLength };
      const json = JSON.stringify({ ...head, outputs: [{ ...tensor, parameters }] });
      await sending.binary(json, y);
    } else {
      const json = JSON.stringify({ ...head, outputs: [{ ...tensor, data: [] }] });
      await sending.json(json, y);
    }
    return await sending.isTaken();
  } catch {
    // It has begun: there is no other answer to give.
    outgoing.req.socket.destroy();
    return false;
  } finally {
    sending.end();
  }
}

export interface SendOptions {
  readonly slices: WorkSlices;
  readonly graceMs: number;
  /** Of its reader, after that. */
  readonly leastBytesPerS: number;
  readonly headers: Readonly<Record<string, string>>;
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
    this.#mostMs = options.graceMs + (1000 * bytes) / options.leastBytesPerS;
  }

  async binary(json: string, y: Float32Array): Promise<void> {
    const outgoing = this.#outgoing;
    const jsonLength = Buffer.byteLength(json);
    outgoing.writeHead(200, {
      ...this.#options.headers,
      'Content-Type': 'application/octet-stream',
      'Content-Length': jsonLength + y.byteLength,
      [JSON_LENGTH]: jsonLength,
    });
    const bytes = Buffer.from(y.buffer, y.byteOffset, y.byteLength);
    outgoing.cork();
    outgoing.write(json);
    outgoing.write(bytes.subarray(0, PIECE_BYTES));
    outgoing.uncork();
    for (let from = PIECE_BYTES; from < bytes.length; from += PIECE_BYTES) {
      if (!(await this.#isDrained())) return;
      outgoing.write(bytes.subarray(from, from + PIECE_BYTES));
    }
    outgoing.end();
  }

  /** @param json with an empty list of data at its end */
  async json(json: string, y: Float32Array): Promise<void> {
    const outgoing = this.#outgoing;
    const { slices, headers } = this.#options;
    const split = json.lastIndexOf(']}]}');
    const first = json.slice(0, split) + (await slices.run(() => numbersText(y, 0)));
    const end = json.slice(split);
    const type = { ...headers, 'Content-Type': 'application/json' };
    if (y.length <= SLICE) {
      const text = first + end;
      outgoing.writeHead(200, { ...type, 'Content-Length': Buffer.byteLength(text) });
      outgoing.end(text);
      return;
    }
    outgoing.writeHead(200, type);
    outgoing.write(first);
    for (let from = SLICE; from < y.length; from += SLICE) {
      if (!(await this.#isDrained())) return;
      outgoing.write(`,${await slices.run(() => numbersText(y, from))}`);
    }
    outgoing.end(end);
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

/** A slice of numbers as JSON, without brackets. */
function numbersText(y: Float32Array, from: number): string {
  return JSON.stringify([...y.subarray(from, from + SLICE)]).slice(1, -1);
}
