import type { TargetColumn } from '../../data/tables/schema.js';
import type { OutputSource } from '../../models/outputs.js';
import type { NamedColumns } from '../../data/tables/encode-rows.js';
import { jsonRows } from '../rows/answer-rows.js';
import { answerWriter } from '../rows/answers.js';
import type { AnsweringModel, Asked, AskedBody, InferAnswer } from './asked.js';
import { CodedRows } from './coded-rows.js';
import { headOf, HEAD_BYTES, MOST_NUMBER_BYTES, mostTextBytes } from './infer-answer.js';
import { readGhosts } from './infer-request.js';
import { JsonReader } from './json-reader.js';
import type { MemoryLease } from './memory-budget.js';
import { badRequest, ProtocolError } from './protocol-error.js';
import { isGiven, objectOf, optionalObject } from './request-values.js';
import { type EncodedAnswer, joined } from './sending.js';

/** Cells of answers that are written in a slice. */
const SLICE = 1 << 12;

/** A request for answers by name, understood. */
interface NamedRequest {
  readonly id: string | null;
  readonly notes: readonly string[];
  readonly coded: CodedRows;
  readonly source: OutputSource;
}

/** The body of such a request as it arrives: `{"rows": [{…}, …]}`, or the list alone. */
export class NamedRowsBody implements AskedBody {
  readonly #json: JsonReader;
  readonly #coded: CodedRows;

  /** @throws ProtocolError for a model that was not trained on a table */
  constructor({ columns }: Pick<AnsweringModel, 'columns'>, lease: MemoryLease) {
    if (columns === null) {
      const what = 'the model was not trained on a table: its columns have no names';
      throw badRequest(`${what}; send numbers to /v2/models/NAME/infer`);
    }
    const coded = new CodedRows(columns, lease);
    const onRow = (row: object) => coded.append(row);
    this.#coded = coded;
    this.#json = new JsonReader({ features: 1, columns: columns.features.length, onRow }, lease);
  }

  push(block: Buffer): void {
    this.#json.push(block);
  }

  asked({ mostGhosts, outputs, columns, source }: AnsweringModel): Asked {
    const value = this.#json.end();
    const coded = this.#coded;
    const object = Array.isArray(value) ? {} : objectOf(value, 'the request');
    const { id, rows, parameters } = object;
    if (isGiven(id) && typeof id !== 'string') throw badRequest('id is not a string');
    if (!Array.isArray(value) && !Array.isArray(rows)) throw badRequest('"rows" must be a list');
    if (coded.rows === 0) throw badRequest('no rows; one or more are needed');
    if (!isSame(columns, coded.columns)) {
      const what = 'the model was loaded again, with other columns, while the request arrived';
      throw new ProtocolError('unavailable', `${what}; try again`);
    }
    const ghosts = readGhosts(optionalObject(parameters, 'parameters')['ghosts'], mostGhosts);
    const { notes } = coded.encoder;
    const request = { id: (id as string | null | undefined) ?? null, notes, coded, source };
    return {
      rows: coded.rows,
      fill: (out, from, count) => coded.fill(out, from, count),
      ghosts,
      mostBytes: mostNamedBytes(request, outputs),
      encode: (answer) => encodeNamedAnswer(answer, request),
    };
  }
}

/** Whether rows that were read for one are rows of the other. */
function isSame(one: NamedColumns | null, other: NamedColumns): boolean {
  return one === other || JSON.stringify(one?.schema) === JSON.stringify(other.schema);
}

function writerOf({ coded, source }: Pick<NamedRequest, 'coded' | 'source'>, outputs: number) {
  return answerWriter('answers', { model: source, outputs, ids: coded.ids !== null });
}

/** What an answer comes to at most, before it is there. */
function mostNamedBytes(request: NamedRequest, outputs: number): number {
  const { id, notes, coded } = request;
  const { columns } = writerOf(request, outputs);
  const { targets } = coded.columns.schema;
  const wordsOf = (target: TargetColumn) =>
    target.kind === 'number' ? [] : target.kind === 'class' ? target.classes : target.values;
  const longest = targets.reduce(
    (sum, target) => sum + Math.max(0, ...wordsOf(target).map((word) => word.length)),
    0,
  );
  const row = mostTextBytes(columns.map(({ name }) => name)) + MOST_NUMBER_BYTES * columns.length;
  const head = HEAD_BYTES + mostTextBytes([id ?? '', ...notes]);
  return head + coded.rows * (row + 6 * longest) + coded.idBytes;
}

/** The answers as JSON, a row an object by the names of its columns. */
function encodeNamedAnswer(answer: InferAnswer, request: NamedRequest): EncodedAnswer {
  const outputs = answer.y.length / request.coded.rows;
  const head = headOf(answer, request);
  return {
    headers: { 'Content-Type': 'application/json' },
    bytes: mostNamedBytes(request, outputs),
    pieces: joined(texts(head, answer.y, request)),
  };
}

function* texts(head: object, y: Float32Array, request: NamedRequest): Generator<string> {
  const { rows, ids } = request.coded;
  const outputs = y.length / rows;
  const writer = writerOf(request, outputs);
  const most = Math.max(1, Math.floor(SLICE / writer.columns.length));
  yield `${JSON.stringify(head).slice(0, -1)},"predictions":[`;
  for (let from = 0; from < rows; from += most) {
    const to = Math.min(rows, from + most);
    const part = y.subarray(from * outputs, to * outputs);
    const answers = writer.answer(part, ids?.slice(from, to) ?? null);
    yield `${from === 0 ? '' : ','}${jsonRows(writer.columns, answers).join(',')}`;
  }
  yield ']}';
}
