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
  { slices, graceMs, leastBytesPerS, headers }: SendOptions,
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
  const { socket } = outgoing.req;
  const slow = setTimeout(() => socket.destroy(), graceMs + (1000 * bytes) / leastBytesPerS);
  const sending = new Sending(outgoing, slices);
  try {
    if (binaryOutput) {
      const parameters = { binary_data_size: y.byteLength };
      const json = JSON.stringify({ ...head, outputs: [{ ...tensor, parameters }] });
      await sending.binary(json, y, headers);
    } else {
      const json = JSON.stringify({ ...head, outputs: [{ ...tensor, data: [] }] });
      await sending.json(json, y, headers);
    }
    await sending.closed;
  } catch {
    // It has begun: there is no other answer to give.
    socket.destroy();
  } finally {
    clearTimeout(slow);
    sending.end();
  }
  return outgoing.writableFinished;
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
  readonly closed: Promise<void>;
  /** Forgets the connection. */
  readonly end: () => void;
  readonly #outgoing: ServerResponse;
  readonly #slices: WorkSlices;

  constructor(outgoing: ServerResponse, slices: WorkSlices) {
    const { socket } = outgoing.req;
    this.#outgoing = outgoing;
    this.#slices = slices;
    let close = () => {};
    this.closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    // An answer that waits for those before it on its connection does not hear of the connection's end.
    socket.once('close', close);
    outgoing.once('close', close);
    this.end = () => socket.off('close', close);
    if (socket.destroyed) close();
  }

  async binary(json: string, y: Float32Array, headers: SendOptions['headers']): Promise<void> {
    const outgoing = this.#outgoing;
    const jsonLength = Buffer.byteLength(json);
    outgoing.writeHead(200, {
      ...headers,
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
  async json(json: string, y: Float32Array, headers: SendOptions['headers']): Promise<void> {
    const outgoing = this.#outgoing;
    const split = json.lastIndexOf(']}]}');
    const first = json.slice(0, split) + (await this.#slices.run(() => numbersText(y, 0)));
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
      outgoing.write(`,${await this.#slices.run(() => numbersText(y, from))}`);
    }
    outgoing.end(end);
  }

  /** Waits until more may be written. @returns whether somebody still reads */
  async #isDrained(): Promise<boolean> {
    const outgoing = this.#outgoing;
    if (outgoing.writableNeedDrain) {
      await Promise.race([once(outgoing, 'drain'), this.closed]);
    }
    return !outgoing.req.socket.destroyed;
  }
}

/** A slice of numbers as JSON, without brackets. */
function numbersText(y: Float32Array, from: number): string {
  return JSON.stringify([...y.subarray(from, from + SLICE)]).slice(1, -1);
}
