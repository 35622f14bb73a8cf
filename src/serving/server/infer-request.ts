import { classNames } from '../../data/tables/schema.js';
import { ghostsRefusal } from '../../models/ghosts.js';
import type {
  AnsweringModel,
  Asked,
  AskedBody,
  AskedOutput,
  InferRequest,
  RequestedModel,
} from './asked.js';
import type { RowsRequest } from './batcher.js';
import { readColumns } from './column-tensors.js';
import { encodeAnswer, mostAnswerBytes } from './infer-answer.js';
import { JsonReader } from './json-reader.js';
import { badRequest, type ProtocolError } from './protocol-error.js';
import { INPUT, JSON_LENGTH, LABEL, OUTPUT } from './protocol-names.js';
import { isGiven, objectOf, optionalObject, quote, refuseSharedMemory } from './request-values.js';
import { type ReadMeans, Tensor } from './tensors.js';

/**
 * The body of an inference request as it arrives: JSON, or JSON followed by the tensor's bytes (the
 * binary tensor data extension).
 */
export class InferBody implements AskedBody {
  readonly #given: string | undefined;
  /** Bytes of the JSON. */
  readonly #jsonLength: number;
  readonly #json: JsonReader;
  readonly #means: ReadMeans;
  readonly #tail: Buffer[] = [];
  #bytes = 0;

  /**
   * @param jsonLength value of Inference-Header-Content-Length, if there is one
   * @param announced bytes of the body, if it says so; not of one that is compressed
   */
  constructor(
    { jsonLength, announced }: { jsonLength: string | undefined; announced: number | null },
    { features, columns }: Pick<RequestedModel, 'features' | 'columns'>,
    means: ReadMeans,
  ) {
    this.#given = jsonLength;
    this.#jsonLength = jsonLength === undefined ? Infinity : Number(jsonLength);
    const count = columns?.features.length ?? 0;
    this.#json = new JsonReader({ features, columns: count }, means.lease);
    this.#means = means;
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
    this.#means.lease.take(block.length - json);
    this.#tail.push(block.subarray(json));
  }

  /**
   * After the last byte.
   *
   * @throws ProtocolError with what is wrong
   */
  async asked(model: AnsweringModel): Promise<Asked> {
    const request = await this.request(model);
    const { columns } = model;
    const names = columns === null ? null : classNames(columns.schema);
    return {
      rows: request.rows,
      fill: request.fill,
      ghosts: request.ghosts,
      mostBytes: mostAnswerBytes(request, model),
      encode: (answer) => encodeAnswer(answer, request, names),
    };
  }

  /** The same, without its answer. */
  async request(model: RequestedModel): Promise<InferRequest> {
    this.#checkLength(this.#bytes);
    const request = objectOf(this.#json.end(), 'the request');
    const { id, inputs, outputs } = request;
    if (isGiven(id) && typeof id !== 'string') throw badRequest('id is not a string');
    const parameters = optionalObject(request['parameters'], 'parameters');
    const ghosts = readGhosts(parameters['ghosts'], model.mostGhosts);
    const named = model.columns !== null;
    if (!Array.isArray(inputs) || inputs.length === 0 || (inputs.length > 1 && !named)) {
      const found = Array.isArray(inputs) ? `has ${inputs.length} tensors` : 'is not a list';
      const or = named ? ', or of one for each column' : '';
      throw badRequest(`inputs ${found}; it must be a list of one tensor, ${INPUT}${or}`);
    }
    const asked = readOutputs(outputs, parameters['binary_data_output'] === true, model);
    const tensors = this.#tensors(inputs);
    const means = this.#means;
    const own = (id as string | null | undefined) ?? null;
    const [first, ...others] = tensors as [Tensor, ...Tensor[]];
    if (model.columns !== null && first.name !== INPUT) {
      const coded = await readColumns(tensors, model.columns, means);
      const fill: RowsRequest['fill'] = (out, from, count) => coded.fill(out, from, count);
      const { notes } = coded.encoder;
      return { id: own, ghosts, outputs: asked, rows: coded.rows, fill, notes };
    }
    if (first.name !== INPUT) {
      throw badRequest(`no input is named ${quote(first.name)}; the model has ${INPUT}`);
    }
    if (others.length > 0) {
      throw badRequest(`inputs has ${tensors.length} tensors; it must be a list of one, ${INPUT}`);
    }
    const { features } = model;
    const rows = first.rows(features);
    const x = await first.numbers(rows, features, means);
    const fill: RowsRequest['fill'] = (out, from, count) =>
      out.set(x.subarray(from * features, (from + count) * features));
    return { id: own, ghosts, outputs: asked, rows, fill, notes: [] };
  }

  /** The inputs, with what follows the JSON of each. */
  #tensors(inputs: readonly unknown[]): Tensor[] {
    const sizes: number[] = [];
    const tensors = inputs.map((input, i) => {
      const fields = objectOf(input, `inputs[${i}]`);
      const { name } = fields;
      if (typeof name !== 'string') throw badRequest(`inputs[${i}].name is ${quote(name)}`);
      const parameters = optionalObject(fields['parameters'], `${name}.parameters`);
      const { binary_data_size: size } = parameters;
      if (!isGiven(size)) return new Tensor(fields, null);
      if (!Number.isSafeInteger(size) || (size as number) < 0) {
        throw badRequest(`${name}: binary_data_size is ${quote(size)}; needs a number of bytes`);
      }
      sizes.push(size as number);
      return new Tensor(fields, this.#cut(name, size as number));
    });
    const left = this.#tail.reduce((sum, { length }) => sum + length, 0);
    if (left === 0) return tensors;
    const what = `${left} bytes follow the JSON`;
    throw badRequest(
      sizes.length === 0
        ? `${what}, and no input has binary_data_size`
        : `${what} and what the inputs have by their binary_data_size`,
    );
  }

  /** Takes bytes from the start of what follows the JSON. @throws ProtocolError for fewer */
  #cut(name: string, bytes: number): Buffer[] {
    const blocks: Buffer[] = [];
    let needed = bytes;
    while (needed > 0) {
      const block = this.#tail.shift();
      if (block === undefined) {
        const left = `${bytes - needed} bytes follow the JSON for it`;
        throw badRequest(`${name}: binary_data_size is ${bytes}, and ${left}`);
      }
      const taken = block.subarray(0, needed);
      if (taken.length < block.length) this.#tail.unshift(block.subarray(taken.length));
      blocks.push(taken);
      needed -= taken.length;
    }
    return blocks;
  }

  #checkLength(bytes: number): void {
    if (this.#given === undefined || this.#jsonLength <= bytes) return;
    throw this.#wrongLength(`the body has ${bytes} bytes`);
  }

  #wrongLength(found: string): ProtocolError {
    return badRequest(`${JSON_LENGTH} is ${quote(this.#given)}; ${found}`);
  }
}

export function readGhosts(asked: unknown, most: number): number | undefined {
  if (!isGiven(asked)) return undefined;
  const refusal = ghostsRefusal(asked, most);
  if (refusal === null) return asked as number;
  throw badRequest(`parameters.ghosts is ${quote(asked)}; ${refusal}`);
}

/** What is answered, and how. */
function readOutputs(
  outputs: unknown,
  fallback: boolean,
  { columns }: Pick<RequestedModel, 'columns'>,
): AskedOutput[] {
  if (!isGiven(outputs)) return [{ name: OUTPUT, binary: fallback }];
  if (!Array.isArray(outputs)) throw badRequest('"outputs" must be a list');
  const hasLabel = columns !== null && classNames(columns.schema) !== null;
  const names: readonly unknown[] = hasLabel ? [OUTPUT, LABEL] : [OUTPUT];
  const asked = outputs.map((each, i): AskedOutput => {
    const { name, parameters } = objectOf(each, `outputs[${i}]`);
    if (!names.includes(name)) {
      throw badRequest(`no output is named ${quote(name)}; the model has ${names.join(', ')}`);
    }
    const given = optionalObject(parameters, `outputs[${i}].parameters`);
    refuseSharedMemory(given);
    if (isGiven(given['classification'])) {
      const instead = hasLabel ? `ask for the output ${LABEL}` : `take the largest of ${OUTPUT}`;
      throw badRequest(`the classification extension is not supported; ${instead}`);
    }
    const binary = given['binary_data'];
    return {
      name: name as AskedOutput['name'],
      binary: isGiven(binary) ? binary === true : fallback,
    };
  });
  if (new Set(asked.map(({ name }) => name)).size < asked.length) {
    throw badRequest('an output is asked for twice');
  }
  return asked.length === 0 ? [{ name: OUTPUT, binary: fallback }] : asked;
}
