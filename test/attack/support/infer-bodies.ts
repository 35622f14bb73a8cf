// Bodies of inference requests from a seed: half of them right, with what they ask for; the others
// wrong in one way of many.
import zlib from 'node:zlib';
import { randomStream } from '#src/tensor/random.js';
import { FEATURES } from '../../support/inference-client.js';

/** What the server has to make of a request. */
export type Wanted =
  | { readonly kind: 'answer'; readonly x: Float32Array; readonly ghosts: number | undefined }
  /** What `predict` makes of the rows: its answers, or a refusal. */
  | { readonly kind: 'rows'; readonly rows: readonly object[] }
  | { readonly kind: 'refusal' }
  /** A changed byte may leave a request right. */
  | { readonly kind: 'either' };

export interface FuzzedRequest {
  readonly what: string;
  readonly route: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  /** Lengths of the pieces it is sent in; null: whole, and announced. */
  readonly pieces: number | null;
  readonly wanted: Wanted;
}

/** Choices that follow from a seed. */
export class Dice {
  readonly #stream: ReturnType<typeof randomStream>;
  #count = 0;

  constructor(seed: number, name: string) {
    this.#stream = randomStream(seed, name);
  }
  /** 0 … 1, without 1. */
  fraction(): number {
    return this.#stream.uniform(this.#count++);
  }
  /** 0 … most − 1. */
  integer(most: number): number {
    return Math.floor(most * this.fraction());
  }
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.integer(list.length)];
  }
}

/** By datatype: numbers that it holds exactly, and their bytes. */
const DATATYPES: Readonly<Record<string, { value: (dice: Dice) => number; view: View }>> = {
  FP32: { value: real, view: (x) => Float32Array.from(x) },
  FP64: { value: real, view: (x) => Float64Array.from(x) },
  FP16: { value: (dice) => (dice.integer(65) - 32) / 8, view: (x) => Uint16Array.from(x, half) },
  BF16: { value: (dice) => (dice.integer(65) - 32) / 8, view: (x) => Uint16Array.from(x, brain) },
  UINT8: { value: integers(0, 256), view: (x) => Uint8Array.from(x) },
  UINT16: { value: integers(0, 1000), view: (x) => Uint16Array.from(x) },
  UINT32: { value: integers(0, 1000), view: (x) => Uint32Array.from(x) },
  UINT64: { value: integers(0, 1000), view: (x) => BigUint64Array.from(x, BigInt) },
  INT8: { value: integers(-128, 128), view: (x) => Int8Array.from(x) },
  INT16: { value: integers(-1000, 1000), view: (x) => Int16Array.from(x) },
  INT32: { value: integers(-1000, 1000), view: (x) => Int32Array.from(x) },
  INT64: { value: integers(-1000, 1000), view: (x) => BigInt64Array.from(x, BigInt) },
};
type View = (x: number[]) => ArrayBufferView;

function real(dice: Dice): number {
  return Math.fround(4 * dice.fraction() - 2);
}
function integers(from: number, to: number): (dice: Dice) => number {
  return (dice) => from + dice.integer(to - from);
}
function brain(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0] >>> 16;
}
/** Of a number that half precision holds. */
function half(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = Math.abs(value) / 2 ** exponent - 1;
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | Math.round(1024 * fraction);
}

/** The `index`-th request of a seed. */
export function fuzzedRequest(seed: number, index: number): FuzzedRequest {
  const dice = new Dice(seed, `request ${index}`);
  const right = rightRequest(dice);
  return dice.chance(0.5) ? right : dice.pick(CHANGES)(right, dice);
}

function rightRequest(dice: Dice): FuzzedRequest {
  const rows = dice.chance(0.05) ? 1 + dice.integer(200) : 1 + dice.integer(5);
  const datatype = dice.pick(Object.keys(DATATYPES));
  const { value, view } = DATATYPES[datatype];
  const numbers = Array.from({ length: rows * FEATURES }, () => value(dice));
  const ghosts = dice.chance(0.2) ? 1 + dice.integer(2) : undefined;
  const isBinary = dice.chance(0.5);
  const shape = dice.pick([
    [rows, FEATURES],
    [rows, 3, 4],
    [rows, 1, FEATURES],
  ]);
  const bytes = viewBytes(view(numbers));
  const nested = Array.from({ length: rows }, (_, row) =>
    numbers.slice(row * FEATURES, (row + 1) * FEATURES),
  );
  const tensor = {
    name: 'x',
    shape,
    datatype,
    ...(isBinary
      ? { parameters: { binary_data_size: bytes.length } }
      : { data: dice.chance(0.5) ? numbers : nested }),
  };
  const wantsBinary = dice.chance(0.5);
  const request = {
    ...(dice.chance(0.3) ? { id: dice.pick(['', 'one', 'ünï 🔑', '"\\']) } : {}),
    parameters: {
      ...(ghosts === undefined ? {} : { ghosts }),
      ...(wantsBinary ? { binary_data_output: true } : {}),
    },
    inputs: [tensor],
    ...(dice.chance(0.3) ? { outputs: [{ name: 'y' }] } : {}),
  };
  const json = Buffer.from(JSON.stringify(request, null, dice.pick([0, 0, 1])));
  const plain = isBinary ? Buffer.concat([json, bytes]) : json;
  const encoding = dice.pick(['identity', 'identity', 'gzip', 'deflate']);
  const body =
    encoding === 'gzip'
      ? zlib.gzipSync(plain)
      : encoding === 'deflate'
        ? zlib.deflateSync(plain)
        : plain;
  return {
    what: `${rows} rows of ${datatype}, ${isBinary ? 'binary' : 'JSON'}, ${encoding}`,
    route: dice.pick(['/v2/models/m/infer', '/v2/models/m/versions/4/infer']),
    headers: {
      ...(isBinary
        ? {
            'Content-Type': 'application/octet-stream',
            'Inference-Header-Content-Length': `${json.length}`,
          }
        : { 'Content-Type': 'application/json' }),
      ...(encoding === 'identity' ? {} : { 'Content-Encoding': encoding }),
    },
    body,
    pieces: dice.pick([null, null, 1 + dice.integer(50), 5000]),
    wanted: { kind: 'answer', x: Float32Array.from(numbers), ghosts },
  };
}

function viewBytes({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

type Change = (request: FuzzedRequest, dice: Dice) => FuzzedRequest;

const refused = (what: string, request: FuzzedRequest, more: Partial<FuzzedRequest>) => ({
  ...request,
  ...more,
  what: `${what}: ${request.what}`,
  wanted: { kind: 'refusal' } as const,
});
const asJson = (what: string, json: string, request: FuzzedRequest) =>
  refused(what, request, {
    headers: { 'Content-Type': 'application/json' },
    body: Buffer.from(json),
  });
const tensorJson = (fields: object) =>
  JSON.stringify({
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1, FEATURES], data: ones(), ...fields }],
  });
const ones = () => Array.from({ length: FEATURES }, () => 1);

/** Ways to be wrong. */
const CHANGES: readonly Change[] = [
  (request, dice) =>
    refused('cut', request, {
      body: request.body.subarray(0, dice.integer(request.body.length)),
    }),
  (request, dice) => {
    const body = Buffer.from(request.body);
    for (let i = 1 + dice.integer(3); i > 0; i--) {
      body[dice.integer(body.length)] = dice.integer(256);
    }
    return { ...request, what: `bytes: ${request.what}`, body, wanted: { kind: 'either' } };
  },
  (request, dice) => {
    const at = dice.integer(request.body.length);
    const extra = Buffer.from(dice.pick(['{', ']', '"', '\\', '\0', '[[[[', '1e999', 'NaN', ',']));
    const body = Buffer.concat([request.body.subarray(0, at), extra, request.body.subarray(at)]);
    return { ...request, what: `insertion: ${request.what}`, body, wanted: { kind: 'either' } };
  },
  (request, dice) => {
    const length = dice.pick(['-1', '1e3', 'x', '99999999', '1.5', '0']);
    const headers = { ...request.headers, 'Inference-Header-Content-Length': length };
    return refused(`JSON of ${length} bytes`, request, { headers });
  },
  (request, dice) => {
    const encoding = dice.pick(['br', 'gzip, gzip', 'zstd', 'x'.repeat(5000)]);
    return refused('encoding', request, {
      headers: { ...request.headers, 'Content-Encoding': encoding },
    });
  },
  (request, dice) => {
    const depth = 20 + dice.integer(20_000);
    const [open, close] = dice.pick([
      ['[', ']'],
      ['{"a":', '}'],
    ] as const);
    const deep = `${open.repeat(depth)}1${close.repeat(depth)}`;
    const field = dice.pick(['id', 'parameters', 'inputs', 'outputs', 'other', 'shape', 'data']);
    const json = ['shape', 'data'].includes(field)
      ? `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,12],"data":[1],"${field}":${deep}}]}`
      : `{"${field}":${deep}}`;
    return asJson(`${depth} deep in ${field}`, json, request);
  },
  (request, dice) => {
    const shape = dice.pick([
      [],
      [FEATURES],
      [1e15, FEATURES],
      [2 ** 53, FEATURES],
      [-1, FEATURES],
      [1, 2 ** 31, 2 ** 31],
      [0.5, FEATURES],
      ['1', FEATURES],
      null,
      'x',
      {},
    ]);
    return asJson('shape', tensorJson({ shape }), request);
  },
  (request, dice) => {
    const odd = dice.pick([
      '"1"',
      'null',
      'true',
      '{}',
      '1e39',
      '-1e400',
      'NaN',
      '-Infinity',
      '0x1',
    ]);
    const text = tensorJson({}).replace(/1,1\]/, `1,${odd}]`);
    return asJson(`a number that is ${odd}`, text, request);
  },
  (request, dice) => {
    const fields = dice.pick<object>([
      { name: 'z' },
      { name: { a: [1] } },
      { datatype: 'BYTES' },
      { datatype: 7 },
      { datatype: '__proto__' },
      { data: 'x' },
      { data: null },
      { data: [] },
      { parameters: 3 },
      { parameters: { binary_data_size: 48 } },
      { parameters: { shared_memory_region: 'r' } },
    ]);
    return asJson(JSON.stringify(fields), tensorJson(fields), request);
  },
  (request, dice) => {
    const json = dice.pick(['', ' ', '[]', '7', 'null', '"x"', '{}', '{"inputs":{}}', '\uFEFF{}']);
    return asJson(`the text ${json}`, json, request);
  },
  (request, dice) => {
    const json = `{"parameters":{"ghosts":${dice.pick(['0', '3', '-1', '1e99', '"1"', '[[1]]'])}},${tensorJson({}).slice(1)}`;
    return asJson('ghosts', json, request);
  },
  (request, dice) => {
    const many = 20_000 + dice.integer(20_000);
    const json = dice.pick([
      `{"id":"${'x'.repeat(5 * many)}"}`,
      `{"other":[${'1,'.repeat(many)}1]}`,
      `{${Array.from({ length: many }, (_, i) => `"${i}":0`).join()}}`,
    ]);
    return asJson('too many values', json, request);
  },
  (request) =>
    refused('too large', request, {
      headers: { 'Content-Type': 'application/json' },
      body: Buffer.alloc((1 << 20) + 1, ' '),
    }),
  (request, dice) =>
    refused('a bomb', request, {
      headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
      body: dice.chance(0.5) ? SPACES : ZEROS,
    }),
];
const SPACES = zlib.gzipSync(Buffer.alloc(4 << 20, ' '));
const ZEROS = zlib.gzipSync(Buffer.alloc(4 << 20));
