import { FORMAT_BYTES, type NumberFormat } from '../../data/number-formats.js';
import { ghostsRefusal } from '../../models/ghosts.js';
import type { BodySink } from './body.js';
import { JsonReader } from './json-reader.js';
import type { MemoryLease } from './memory-budget.js';
import { readNumbers } from './number-bytes.js';
import { NumberList } from './number-list.js';
import { badRequest, type ProtocolError } from './protocol-error.js';
import type { WorkSlices } from './work-slices.js';

/** Names of the one input and the one output of every model, as in this project's data files. */
export const INPUT = 'x';
export const OUTPUT = 'y';
/** Header that says how much of a body is JSON, where a tensor's bytes follow it. */
export const JSON_LENGTH = 'Inference-Header-Content-Length';

/** The protocol's datatypes of numbers; all are rounded to float32. */
const FORMATS = new Map<unknown, NumberFormat>(
  Object.entries({
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
  } as const),
);

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

/** What a request is read for. */
export interface RequestedModel {
  /** Of a row. */
  readonly features: number;
  readonly mostGhosts: number;
}

/**
 * The body of an inference request as it arrives: JSON, or JSON followed by the tensor's bytes (the
 * binary tensor data extension).
 */
export class InferBody implements BodySink {
  readonly #given: string | undefined;
  /** Bytes of the JSON. */
  readonly #jsonLength: number;
  readonly #json: JsonReader;
  readonly #lease: MemoryLease;
  readonly #tail: Buffer[] = [];
  #bytes = 0;

  /**
   * @param jsonLength value of Inference-Header-Content-Length, if there is one
   * @param announced bytes of the body, if it says so; not of one that is compressed
   * @param features of a row, to name the place of what is wrong
   */
  constructor(
    { jsonLength, announced }: { jsonLength: string | undefined; announced: number | null },
    features: number,
    lease: MemoryLease,
  ) {
    this.#given = jsonLength;
    this.#jsonLength = jsonLength === undefined ? Infinity : Number(jsonLength);
    this.#json = new JsonReader(features, lease);
    this.#lease = lease;
    if (jsonLength === undefined) return;
    if (!Number.isInteger(this.#jsonLength) || this.#jsonLength < 0) {
      throw this.#wrongLength('that is not a length');
    }
    if (announced !== null) this.#checkLength(announced);
  }

  push(block: Buffer): void {
    const json = Math.min(block.length, Math.max(0, this.#jsonLength - this.#bytes));
    this.#bytes += block.length;
    if (json > 0) this.#json.push(block.subarray(0, json));
    if (json === block.length) return;
    this.#lease.take(block.length - json);
    this.#tail.push(block.subarray(json));
  }

  /**
   * After the last byte.
   *
   * @throws ProtocolError with what is wrong
   */
  async request(model: RequestedModel, slices: WorkSlices): Promise<InferRequest> {
    this.#checkLength(this.#bytes);
    const request = objectOf(this.#json.end(), 'the request');
    const { id, inputs, outputs } = request;
    if (isGiven(id) && typeof id !== 'string') throw badRequest('id is not a string');
    const parameters = optionalObject(request['parameters'], 'parameters');
    const ghosts = readGhosts(parameters['ghosts'], model.mostGhosts);
    if (!Array.isArray(inputs) || inputs.length !== 1) {
      const found = Array.isArray(inputs) ? `has ${inputs.length} tensors` : 'is not a list';
      throw badRequest(`inputs ${found}; it must be a list of one tensor, ${INPUT}`);
    }
    const binaryOutput = readOutputs(outputs, parameters['binary_data_output'] === true);
    const x = await this.#input(objectOf(inputs[0], 'inputs[0]'), model.features, slices);
    return {
      id: (id as string | null | undefined) ?? null,
      rows: x.length / model.features,
      x,
      ghosts,
      binaryOutput,
    };
  }

  async #input(input: RawTensor, features: number, slices: WorkSlices): Promise<Float32Array> {
    const { name, datatype, data } = input;
    if (name !== INPUT) {
      throw badRequest(`no input is named ${quote(name)}; the model has ${INPUT}`);
    }
    const format = FORMATS.get(datatype);
    if (format === undefined) {
      const known = [...FORMATS.keys()].join(', ');
      throw badRequest(`${INPUT}: datatype is ${quote(datatype)}; needs one of ${known}`);
    }
    const rows = rowsOf(input.shape, features);
    const given = optionalObject(input.parameters, `${INPUT}.parameters`);
    refuseSharedMemory(given);
    const { binary_data_size: size } = given;
    const bytes = this.#tail.reduce((sum, { length }) => sum + length, 0);
    if (!isGiven(size)) {
      if (bytes > 0) {
        throw badRequest(`${bytes} bytes follow the JSON, and no input has binary_data_size`);
      }
      if (!(data instanceof NumberList)) throw badRequest(`${INPUT}: "data" must be a list`);
      const count = rows * features;
      if (data.length === count) return data.join(slices);
      throw badRequest(`${INPUT}: data has ${data.length} numbers; its shape needs ${count}`);
    }
    if (isGiven(data)) throw badRequest(`${INPUT} has both data and binary_data_size`);
    const needed = rows * features * FORMAT_BYTES[format];
    if (size !== needed || bytes !== needed) {
      throw badRequest(
        `${INPUT}: binary_data_size is ${quote(size)} and ${bytes} bytes follow the JSON; ` +
          `${rows} × ${features} of ${datatype as string} take ${needed}`,
      );
    }
    return readNumbers(this.#tail, { format, features }, { lease: this.#lease, slices });
  }

  #checkLength(bytes: number): void {
    if (this.#given === undefined || this.#jsonLength <= bytes) return;
    throw this.#wrongLength(`the body has ${bytes} bytes`);
  }

  #wrongLength(found: string): ProtocolError {
    return badRequest(`${JSON_LENGTH} is ${quote(this.#given)}; ${found}`);
  }
}

function readGhosts(asked: unknown, most: number): number | undefined {
  if (!isGiven(asked)) return undefined;
  const refusal = ghostsRefusal(asked, most);
  if (refusal === null) return asked as number;
  throw badRequest(`parameters.ghosts is ${quote(asked)}; ${refusal}`);
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

/** @returns whether the one output is asked for as bytes */
function readOutputs(outputs: unknown, fallback: boolean): boolean {
  if (!isGiven(outputs)) return fallback;
  if (!Array.isArray(outputs)) throw badRequest('"outputs" must be a list');
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
