import { classNames } from '../../data/tables/schema.js';
import { overflowIn } from '../rows/answer-rows.js';
import { largest } from '../rows/answers.js';
import type { AskedOutput, InferAnswer, InferRequest, RequestedModel } from './asked.js';
import { JSON_LENGTH, LABEL, OUTPUT } from './protocol-names.js';
import { ProtocolError } from './protocol-error.js';
import { type EncodedAnswer, joined } from './sending.js';
import type { WorkSlices } from './work-slices.js';

/** Longest text of a float32 in JSON, with its comma: −1.2345678901234567e-7 without the exponent. */
export const MOST_NUMBER_BYTES = 26;
/** Everything else of an answer, besides its id and notes. */
export const HEAD_BYTES = 1024;
/** Of an output that is asked for. */
const TENSOR_BYTES = 256;
/** Numbers that are written in a slice. */
const SLICE = 1 << 12;
/** Bytes of numbers that are handed to a connection at a time. */
const PIECE_BYTES = 1 << 18;
const LENGTH_BYTES = 4;

/** Text that is JSON takes at most six bytes a letter. */
export const mostTextBytes = (texts: readonly string[]): number =>
  texts.reduce((sum, { length }) => sum + 6 * length + 3, 0);

/** What an answer comes to at most, before it is there. */
export function mostAnswerBytes(
  request: Pick<InferRequest, 'rows' | 'outputs' | 'id' | 'notes'>,
  { outputs, columns }: Pick<RequestedModel, 'columns'> & { readonly outputs: number },
): number {
  const { rows, id, notes } = request;
  const names = columns === null ? null : classNames(columns.schema);
  const longest = (names ?? []).reduce((most, name) => Math.max(most, name.length), 0);
  const each = (asked: AskedOutput) => {
    if (asked.name === LABEL) return asked.binary ? LENGTH_BYTES + 3 * longest : 6 * longest + 3;
    return outputs * (asked.binary ? 4 : MOST_NUMBER_BYTES);
  };
  const bytes = request.outputs.reduce((sum, asked) => sum + TENSOR_BYTES + rows * each(asked), 0);
  return HEAD_BYTES + mostTextBytes([id ?? '', ...notes]) + bytes;
}

/** @throws ProtocolError for the first row of [rows, outputs] with an answer that is not finite */
export async function requireFiniteAnswers(
  y: Float32Array,
  outputs: number,
  slices: WorkSlices,
): Promise<void> {
  const rows = Math.max(1, Math.floor(SLICE / outputs));
  if (y.length <= SLICE) {
    const overflow = overflowIn(y, outputs);
    if (overflow !== null) throw new ProtocolError('overflow', overflow);
    return;
  }
  for (let from = 0; from * outputs < y.length; from += rows) {
    const part = y.subarray(from * outputs, (from + rows) * outputs);
    const overflow = await slices.run(() => overflowIn(part, outputs, from));
    if (overflow !== null) throw new ProtocolError('overflow', overflow);
  }
}

/** What is said of an answer, besides its rows. */
export function headOf(
  { model, version, ghosts }: Omit<InferAnswer, 'y'>,
  { id, notes }: Pick<InferRequest, 'id' | 'notes'>,
) {
  const parameters = {
    ...(ghosts === 0 ? {} : { ghosts }),
    ...(notes.length === 0 ? {} : { notes: notes.join('; ') }),
  };
  return {
    model_name: model,
    model_version: version,
    ...(id === null ? {} : { id }),
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
  };
}

/** An output on its way. */
interface AnswerTensor {
  readonly binary: boolean;
  readonly fields: object;
  readonly count: number;
  /** Some of its elements as JSON, without brackets. */
  text(from: number, to: number): string;
  /** All of it, in pieces. */
  bytes(): Iterable<Uint8Array>;
  readonly byteLength: number;
}

/** The answer as JSON, or as JSON that bytes follow. */
export function encodeAnswer(
  answer: InferAnswer,
  request: Pick<InferRequest, 'id' | 'rows' | 'outputs' | 'notes'>,
  names: readonly string[] | null,
): EncodedAnswer {
  const { y } = answer;
  const { rows } = request;
  const tensors = request.outputs.map(({ name, binary }) =>
    name === LABEL ? labelTensor(y, rows, names ?? [], binary) : numberTensor(y, rows, binary),
  );
  const head = headOf(answer, request);
  const most = mostTextBytes([JSON.stringify(head)]);
  if (!tensors.some(({ binary }) => binary)) {
    const bytes = tensors.reduce((sum, { count }) => sum + MOST_NUMBER_BYTES * count, most);
    const headers = { 'Content-Type': 'application/json' };
    return { headers, bytes, pieces: joined(jsonTexts(head, tensors)) };
  }
  const json = [...jsonTexts(head, tensors)].join('');
  const jsonLength = Buffer.byteLength(json);
  const bytes = tensors.reduce((sum, { byteLength }) => sum + byteLength, jsonLength);
  const headers = {
    'Content-Type': 'application/octet-stream',
    'Content-Length': bytes,
    [JSON_LENGTH]: jsonLength,
  };
  return { headers, bytes, pieces: withBytes(json, tensors) };
}

function* jsonTexts(head: object, tensors: readonly AnswerTensor[]): Generator<string> {
  yield `${JSON.stringify(head).slice(0, -1)},"outputs":[`;
  for (const [i, tensor] of tensors.entries()) {
    const { binary, fields, count, byteLength } = tensor;
    if (i > 0) yield ',';
    if (binary) {
      yield JSON.stringify({ ...fields, parameters: { binary_data_size: byteLength } });
      continue;
    }
    yield `${JSON.stringify(fields).slice(0, -1)},"data":[`;
    for (let from = 0; from < count; from += SLICE) {
      yield `${from === 0 ? '' : ','}${tensor.text(from, Math.min(count, from + SLICE))}`;
    }
    yield ']}';
  }
  yield ']}';
}

function* withBytes(json: string, tensors: readonly AnswerTensor[]): Generator<Uint8Array> {
  const head = Buffer.from(json);
  const own = tensors.filter(({ binary }) => binary);
  const all = own.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (all <= PIECE_BYTES) {
    yield Buffer.concat([head, ...own.flatMap((tensor) => [...tensor.bytes()])]);
    return;
  }
  yield head;
  for (const tensor of own) yield* tensor.bytes();
}

function numberTensor(y: Float32Array, rows: number, binary: boolean): AnswerTensor {
  return {
    binary,
    fields: { name: OUTPUT, datatype: 'FP32', shape: [rows, y.length / rows] },
    count: y.length,
    text: (from, to) => JSON.stringify([...y.subarray(from, to)]).slice(1, -1),
    byteLength: y.byteLength,
    *bytes() {
      const bytes = Buffer.from(y.buffer, y.byteOffset, y.byteLength);
      for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
        yield bytes.subarray(from, from + PIECE_BYTES);
      }
    },
  };
}

/** The names of the classes, a row each. */
function labelTensor(
  y: Float32Array,
  rows: number,
  names: readonly string[],
  binary: boolean,
): AnswerTensor {
  const outputs = y.length / rows;
  const encoded = names.map((name) => {
    const text = Buffer.from(name);
    const bytes = Buffer.alloc(LENGTH_BYTES + text.length);
    bytes.writeUInt32LE(text.length);
    text.copy(bytes, LENGTH_BYTES);
    return bytes;
  });
  const places = (from: number, to: number) =>
    largest(y.subarray(from * outputs, to * outputs), outputs);
  let byteLength = 0;
  if (binary) for (const place of places(0, rows)) byteLength += encoded[place]?.length ?? 0;
  return {
    binary,
    fields: { name: LABEL, datatype: 'BYTES', shape: [rows] },
    count: rows,
    text: (from, to) =>
      JSON.stringify(Array.from(places(from, to), (place) => names[place] ?? '')).slice(1, -1),
    byteLength,
    *bytes() {
      for (let from = 0; from < rows; from += SLICE) {
        const part = places(from, Math.min(rows, from + SLICE));
        yield Buffer.concat(Array.from(part, (place) => encoded[place] ?? Buffer.alloc(0)));
      }
    },
  };
}
