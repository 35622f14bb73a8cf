import {
  FORMAT_BYTES,
  isInteger,
  type NumberFormat,
  viewNumbers,
} from '../../data/number-formats.js';
import { ghostsRefusal } from '../../models/ghosts.js';
import { badRequest } from './protocol-error.js';

/** Names of the one input and the one output of every model, as in this project's data files. */
export const INPUT = 'x';
export const OUTPUT = 'y';

/** The protocol's datatypes of numbers; all are rounded to float32. */
const FORMATS: Readonly<Record<string, NumberFormat>> = {
  FP32: 'f4',
  FP64: 'f8',
  FP16: 'f2',
  BF16: 'bf2',
  UINT8: 'u1',
  UINT16: 'u2',
  UINT32: 'u4',
  UINT64: 'u8',
  INT8: 'i1',
  INT16: 'i2',
  INT32: 'i4',
  INT64: 'i8',
};

/** An inference request, understood. */
export interface InferRequest {
  readonly id: string | null;
  readonly rows: number;
  /** [rows, features] */
  readonly x: Float32Array;
  /** Ghosts in use; undefined: the request leaves it to the model. */
  readonly ghosts: number | undefined;
  /** Whether the answer follows the JSON as bytes. */
  readonly binaryOutput: boolean;
}

interface RawTensor {
  readonly name?: unknown;
  readonly shape?: unknown;
  readonly datatype?: unknown;
  readonly data?: unknown;
  readonly parameters?: unknown;
}

/**
 * Reads the body of an inference request: JSON, or JSON followed by the tensor's bytes (the
 * binary tensor data extension).
 *
 * @param jsonLength value of Inference-Header-Content-Length, if there is one
 * @param model features of a row, and ghosts that there are
 * @throws ProtocolError with what is wrong
 */
export function parseInferRequest(
  body: Buffer,
  jsonLength: string | undefined,
  { features, mostGhosts }: { readonly features: number; readonly mostGhosts: number },
): InferRequest {
  const length = jsonLength === undefined ? body.length : Number(jsonLength);
  if (!Number.isInteger(length) || length < 0 || length > body.length) {
    throw badRequest(
      `Inference-Header-Content-Length is ${quote(jsonLength)}, the body has ${body.length} bytes`,
    );
  }
  const request = objectOf(parseJson(body.subarray(0, length)), 'the request');
  const { id, inputs, outputs } = request;
  if (isGiven(id) && typeof id !== 'string') throw badRequest('id is not a string');
  const parameters = optionalObject(request['parameters'], 'parameters');
  const ghosts = readGhosts(parameters['ghosts'], mostGhosts);
  if (!Array.isArray(inputs) || inputs.length !== 1) {
    const found = Array.isArray(inputs) ? `${inputs.length} tensors` : 'no list';
    throw badRequest(`inputs holds ${found}; the model has the one input ${INPUT}`);
  }
  const x = readInput(objectOf(inputs[0], 'inputs[0]'), body.subarray(length), features);
  return {
    id: (id as string | null | undefined) ?? null,
    rows: x.length / features,
    x,
    ghosts,
    binaryOutput: readOutputs(outputs, parameters['binary_data_output'] === true),
  };
}

function parseJson(bytes: Buffer): unknown {
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    const hint = /[[,:\s](NaN|-?Infinity)\b/.test(text.slice(0, 1 << 20))
      ? '; NaN and Infinity are no numbers of JSON, and inputs have to be finite'
      : '';
    const [reason = ''] = (error as Error).message.split('\n');
    throw badRequest(`the request is not JSON: ${reason.slice(0, 200)}${hint}`);
  }
}

function readGhosts(asked: unknown, most: number): number | undefined {
  if (!isGiven(asked)) return undefined;
  const refusal = ghostsRefusal(asked, most);
  if (refusal === null) return asked as number;
  throw badRequest(`parameters.ghosts is ${quote(asked)}; ${refusal}`);
}

function readInput(input: RawTensor, bytes: Buffer, features: number): Float32Array {
  const { name, datatype, data } = input;
  if (name !== INPUT) throw badRequest(`no input is named ${quote(name)}; the model has ${INPUT}`);
  const format = typeof datatype === 'string' ? FORMATS[datatype] : undefined;
  if (format === undefined) {
    const known = Object.keys(FORMATS).join(', ');
    throw badRequest(`${INPUT}: datatype is ${quote(datatype)}; needs one of ${known}`);
  }
  const rows = rowsOf(input.shape, features);
  const given = optionalObject(input.parameters, `${INPUT}.parameters`);
  refuseSharedMemory(given);
  const { binary_data_size: size } = given;
  if (!isGiven(size)) {
    if (bytes.length > 0) {
      throw badRequest(`${bytes.length} bytes follow the JSON, and no input has binary_data_size`);
    }
    return fromJson(data, rows, features);
  }
  if (isGiven(data)) throw badRequest(`${INPUT} has both data and binary_data_size`);
  const needed = rows * features * FORMAT_BYTES[format];
  if (size !== needed || bytes.length !== needed) {
    throw badRequest(
      `${INPUT}: binary_data_size is ${quote(size)} and ${bytes.length} bytes follow the JSON; ` +
        `${rows} × ${features} of ${datatype as string} take ${needed}`,
    );
  }
  return fromBytes(bytes, format, features);
}

/** @returns the first dimension; the others are one row, whatever their number */
function rowsOf(shape: unknown, features: number): number {
  const sizes = Array.isArray(shape) && shape.length > 0 ? (shape as unknown[]) : null;
  if (!sizes?.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)) {
    throw badRequest(`${INPUT}: shape is ${quote(shape)}; needs a list of sizes`);
  }
  const [rows = 0, ...rest] = sizes as number[];
  const width = rest.reduce((product, size) => product * size, 1);
  if (rest.length === 0 || width !== features) {
    throw badRequest(`${INPUT}: shape is [${sizes.join(', ')}]; needs [rows, ${features}]`);
  }
  if (rows < 1) throw badRequest(`${INPUT}: shape is [${sizes.join(', ')}]; needs a row or more`);
  return rows;
}

function fromJson(data: unknown, rows: number, features: number): Float32Array {
  if (!Array.isArray(data)) throw badRequest(`${INPUT}: data is no list`);
  const flat = Array.isArray(data[0]) ? flatten(data) : (data as unknown[]);
  const count = rows * features;
  if (flat.length !== count) {
    throw badRequest(`${INPUT}: data has ${flat.length} numbers; its shape needs ${count}`);
  }
  // Not before the data's own length was seen: a shape alone allocates nothing.
  const x = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const value = flat[i];
    if (typeof value !== 'number') {
      throw badRequest(`${place(i, features)} is ${quote(value)}; needs a number`);
    }
    x[i] = value;
  }
  requireFinite(x, features);
  return x;
}

/** Nested lists, as deep as they are; a body's size bounds their number. */
function flatten(data: readonly unknown[]): unknown[] {
  try {
    return data.flat(8);
  } catch {
    throw badRequest(`${INPUT}: data is nested too deep`);
  }
}

function fromBytes(bytes: Buffer, format: NumberFormat, features: number): Float32Array {
  // At an offset that every element size divides.
  const aligned = new Uint8Array(bytes.length);
  aligned.set(bytes);
  const numbers = viewNumbers(format, aligned);
  const x =
    isInteger(format) && FORMAT_BYTES[format] === 8
      ? Float32Array.from(numbers as ArrayLike<bigint>, Number)
      : numbers instanceof Float32Array
        ? numbers
        : Float32Array.from(numbers as ArrayLike<number>);
  requireFinite(x, features);
  return x;
}

function requireFinite(x: Float32Array, features: number): void {
  for (let i = 0; i < x.length; i++) {
    const value = x[i] as number;
    if (value - value === 0) continue;
    throw badRequest(`${place(i, features)} is ${value} in float32; inputs have to be finite`);
  }
}

function place(i: number, features: number): string {
  return `${INPUT}[${Math.floor(i / features)}, ${i % features}]`;
}

/** @returns whether the one output is asked for as bytes */
function readOutputs(outputs: unknown, fallback: boolean): boolean {
  if (!isGiven(outputs)) return fallback;
  if (!Array.isArray(outputs)) throw badRequest('outputs is no list');
  let binary = fallback;
  for (const [i, each] of outputs.entries()) {
    const { name, parameters } = objectOf(each, `outputs[${i}]`) as RawTensor;
    if (name !== OUTPUT) {
      throw badRequest(`no output is named ${quote(name)}; the model has ${OUTPUT}`);
    }
    const given = optionalObject(parameters, `outputs[${i}].parameters`);
    refuseSharedMemory(given);
    if (isGiven(given['classification'])) {
      throw badRequest('the classification extension is not supported; take the largest of y');
    }
    if (isGiven(given['binary_data'])) binary = given['binary_data'] === true;
  }
  return binary;
}

/** Clients that write out all fields leave those that are not given null. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function refuseSharedMemory(parameters: Record<string, unknown>): void {
  if (isGiven(parameters['shared_memory_region'])) {
    throw badRequest('shared memory is not supported; tensors travel in the body');
  }
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw badRequest(`${what} is ${quote(value)}; needs an object`);
}

function optionalObject(value: unknown, what: string): Record<string, unknown> {
  return isGiven(value) ? objectOf(value, what) : {};
}

function quote(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** An answer to send. */
export interface InferResponse {
  readonly body: Buffer | string;
  /** Length of the JSON, where bytes follow it. */
  readonly jsonLength: number | null;
}

export interface InferAnswer {
  readonly model: string;
  readonly version: string;
  /** That were in use; 0: the model has none. */
  readonly ghosts: number;
  /** [rows, outputs] */
  readonly y: Float32Array;
}

export function formatInferResponse(
  answer: InferAnswer,
  { id, rows, binaryOutput }: InferRequest,
): InferResponse {
  const { model, version, ghosts, y } = answer;
  const tensor = { name: OUTPUT, datatype: 'FP32', shape: [rows, y.length / rows] };
  const head = {
    model_name: model,
    model_version: version,
    ...(id === null ? {} : { id }),
    ...(ghosts === 0 ? {} : { parameters: { ghosts } }),
  };
  if (!binaryOutput) {
    const outputs = [{ ...tensor, data: [...y] }];
    return { body: JSON.stringify({ ...head, outputs }), jsonLength: null };
  }
  const parameters = { binary_data_size: y.byteLength };
  const json = Buffer.from(JSON.stringify({ ...head, outputs: [{ ...tensor, parameters }] }));
  const bytes = Buffer.from(y.buffer, y.byteOffset, y.byteLength);
  return { body: Buffer.concat([json, bytes]), jsonLength: json.length };
}
