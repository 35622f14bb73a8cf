// The server against the Open Inference Protocol's REST specification: every route and error.
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import zlib from 'node:zlib';
import { after, before, describe, it } from 'node:test';
import { loadModel } from '#src/app/infer/load-model.js';
import { serve } from '#src/app/infer/serve.js';
import { train } from '#src/app/train/train.js';
import { openModel } from '#src/models/model-source.js';
import type { LoadedModel } from '#src/serving/loaded-model.js';
import type { RunningServer } from '#src/serving/server/server.js';
import { temporaryFolder } from '../support/files.js';
import { SERVE_SETTINGS } from '../support/serve-settings.js';

const FEATURES = 12;
const OUTPUTS = 5;
const log = { info() {}, warn() {}, error() {} };
const cleanup: (() => unknown)[] = [];
let folder = '';
let run = '';
let server: RunningServer;
let model: LoadedModel;

before(async () => {
  folder = temporaryFolder({ after: (work: () => unknown) => cleanup.push(work) });
  run = path.join(folder, 'run');
  await train({
    ...({
      strategy: 'phantom',
      width: 16,
      blocks: 2,
      ghosts: 2,
      ranks: 1,
      engine: 'wasm',
    } as const),
    data: `synthetic:teacher?widths=${FEATURES},16,${OUTPUTS}`,
    ...({ steps: 4, checkpointEvery: 2, batch: 8, out: run } as const),
  });
  server = await serve({ ...SERVE_SETTINGS, models: [`m=${run}`, `n=${run}`] }, '0.0.0', log);
  model = await loadModel(run, { engine: 'wasm' });
});
after(async () => {
  await server.close(1000);
  await model.close();
  for (const work of cleanup) work();
});

const rowsOf = (rows: number, seed = 0) =>
  Float32Array.from({ length: rows * FEATURES }, (_, i) => Math.fround(Math.sin(i + 100 * seed)));

interface Body {
  readonly [key: string]: unknown;
}
function inferBody(x: Float32Array, more: Body = {}, input: Body = {}): Body {
  const shape = [x.length / FEATURES, FEATURES];
  return { ...more, inputs: [{ name: 'x', datatype: 'FP32', shape, data: [...x], ...input }] };
}

interface Output {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: number[];
}

async function call(route: string, init: RequestInit & { url?: string } = {}) {
  const response = await fetch(`${init.url ?? server.url}${route}`, init);
  const text = await response.text();
  const json = text === '' ? null : (JSON.parse(text) as Record<string, unknown>);
  return { status: response.status, json, headers: response.headers, text };
}
const post = (route: string, body: unknown, headers: Record<string, string> = {}) =>
  call(route, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers,
  });
const infer = (body: unknown, headers: Record<string, string> = {}) =>
  post('/v2/models/m/infer', body, headers);
const answerOf = (json: unknown) => (json as { outputs: Output[] }).outputs[0];

function assertNear(actual: ArrayLike<number>, expected: Float32Array): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of expected.entries()) {
    assert.ok(Math.abs((actual[i] ?? Number.NaN) - value) < 1e-5, `${i}`);
  }
}

describe('routes of the specification', () => {
  it('health, metadata and readiness', async () => {
    // Clients read the status (Triton's) or the fields (KServe's).
    for (const [route, says] of [
      ['/v2/health/live', { live: true }],
      ['/v2/health/ready', { live: true, ready: true }],
      ['/v2/models/m/ready', { name: 'm', ready: true }],
    ] as const) {
      const { status, json } = await call(route);
      assert.deepEqual([status, json], [200, says], route);
    }
    for (const route of ['/v2', '/v2/']) {
      const { json } = await call(route);
      assert.equal(json?.['name'], 'phantom-parallel');
      assert.deepEqual(json?.['extensions'], ['binary_tensor_data', 'model_repository']);
    }
    for (const route of ['/v2/models/m', '/v2/models/m/versions/4']) {
      assert.deepEqual((await call(route)).json, {
        name: 'm',
        versions: ['4'],
        platform: 'phantom_parallel',
        inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, FEATURES] }],
        outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, OUTPUTS] }],
      });
    }
    assert.equal((await call('/v2/models/m/versions/4/ready')).status, 200);
  });

  it('infer: flat and nested data, id, version, requested outputs', async () => {
    const x = rowsOf(3);
    const expected = await model.predict(x);
    const nested = [0, 1, 2].map((row) => [...x.subarray(row * FEATURES, (row + 1) * FEATURES)]);
    const bodies = [
      inferBody(x, { id: '42', outputs: [{ name: 'y' }] }),
      inferBody(x, { id: '42' }, { data: nested }),
      inferBody(x, { id: '42', parameters: { anything: 1 } }, { shape: [3, 3, 4] }),
      inferBody(x, { id: '42', parameters: null, outputs: null }, { parameters: null }),
    ];
    for (const body of bodies) {
      for (const route of ['/v2/models/m/infer', '/v2/models/m/versions/4/infer']) {
        const { status, json, headers } = await post(route, body);
        assert.equal(status, 200);
        assert.equal(headers.get('content-type'), 'application/json');
        const { model_name: name, model_version: version, id } = json as Body;
        assert.deepEqual([name, version, id], ['m', '4', '42']);
        const { name: output, datatype, shape, data } = answerOf(json);
        assert.deepEqual([output, datatype, shape], ['y', 'FP32', [3, OUTPUTS]]);
        assertNear(data, expected);
      }
    }
    assert.equal('id' in ((await infer(inferBody(x))).json ?? {}), false);
  });

  it('infer: a request of more rows than a batch has, and many at once', async () => {
    const sizes = [1, 30, 2, 8, 9, 1, 5];
    const answers = await Promise.all(
      sizes.map(async (rows, i) => answerOf((await infer(inferBody(rowsOf(rows, i)))).json)),
    );
    for (const [i, rows] of sizes.entries()) {
      assertNear(answers[i]?.data ?? [], await model.predict(rowsOf(rows, i)));
    }
  });

  it('binary tensors, in and out, of every datatype', async () => {
    const x = rowsOf(2).map((value) => Math.round(value * 50) + 60);
    const expected = await model.predict(x);
    const types: [string, ArrayBufferView][] = [
      ['FP32', x],
      ['FP64', Float64Array.from(x)],
      ['INT8', Int8Array.from(x)],
      ['UINT8', Uint8Array.from(x)],
      ['INT16', Int16Array.from(x)],
      ['UINT16', Uint16Array.from(x)],
      ['INT32', Int32Array.from(x)],
      ['UINT32', Uint32Array.from(x)],
      ['INT64', BigInt64Array.from([...x].map(BigInt))],
      ['UINT64', BigUint64Array.from([...x].map(BigInt))],
    ];
    for (const [datatype, view] of types) {
      const parameters = { binary_data_size: view.byteLength };
      const input = { name: 'x', datatype, shape: [2, FEATURES], parameters };
      const asked = [
        { parameters: { binary_data_output: true } },
        {
          outputs: [{ name: 'y', parameters: { binary_data: true } }],
        },
      ];
      for (const more of asked) {
        const json = Buffer.from(JSON.stringify({ inputs: [input], ...more }));
        const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
        const response = await fetch(`${server.url}/v2/models/m/infer`, {
          method: 'POST',
          body: Buffer.concat([json, bytes]),
          headers: { 'Inference-Header-Content-Length': String(json.length) },
        });
        assert.equal(response.status, 200, datatype);
        const length = Number(response.headers.get('inference-header-content-length'));
        const body = Buffer.from(await response.arrayBuffer());
        const head = JSON.parse(body.toString('utf8', 0, length)) as Body;
        const output = answerOf(head) as Output & { parameters: Body };
        assert.equal(output.parameters['binary_data_size'], 4 * expected.length);
        assert.equal('data' in output, false);
        const y = new Float32Array(expected.length);
        new Uint8Array(y.buffer).set(body.subarray(length));
        assertNear(y, expected);
      }
    }
  });

  it('the model repository: index, unload, load', async () => {
    const states = async (body: unknown = '') =>
      ((await post('/v2/repository/index', body)).json as unknown as Body[]).map(
        ({ name, state }) => `${String(name)} ${String(state)}`,
      );
    assert.deepEqual(await states(), ['m READY', 'n READY']);
    assert.equal((await post('/v2/repository/models/n/unload', '')).status, 200);
    assert.deepEqual(await states({}), ['m READY', 'n UNAVAILABLE']);
    assert.deepEqual(await states({ ready: true }), ['m READY']);
    for (const route of ['/v2/health/ready', '/v2/models/n/ready', '/v2/models/n']) {
      const { status, json, headers } = await call(route);
      assert.equal(status, 503, route);
      assert.equal(headers.get('retry-after'), '1');
      assert.match(String(json?.['error']), /n is not ready: it has been unloaded/);
    }
    assert.equal((await post('/v2/models/n/infer', inferBody(rowsOf(1)))).status, 503);
    assert.equal((await post('/v2/repository/models/n/load', { parameters: {} })).status, 200);
    assert.equal((await call('/v2/health/ready')).status, 200);
    const odd = await post('/v2/repository/models/n/load', { parameters: { config: '{}' } });
    assert.equal(odd.status, 400);
  });

  it('metrics and an OpenAPI document whose every path is a route', async () => {
    await infer(inferBody(rowsOf(1)));
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /phantom_requests_total\{model="m"\} [1-9]/);
    for (const name of ['queue', 'compute', 'request']) {
      assert.match(metrics, new RegExp(`phantom_${name}_seconds_bucket\\{le="0.1",model="m"\\}`));
    }
    assert.match(metrics, /phantom_batch_rows_sum\{model="m"\} [1-9]/);
    assert.match(metrics, /phantom_exposed_communication_seconds_total\{model="m"\}/);
    assert.match(metrics, /phantom_energy_joules_per_request\{obtained="\w+"\} \d/);
    assert.match(metrics, /phantom_model_ready\{model="n"\} 1/);

    const { json } = await call('/openapi.json');
    const { openapi, paths } = json as { openapi: string; paths: Record<string, object> };
    assert.match(openapi, /^3\.1/);
    assert.equal(Object.keys(paths).length, 14);
    for (const [route, methods] of Object.entries(paths)) {
      const address = route.replace('{model}', 'm').replace('{version}', '4');
      for (const method of Object.keys(methods)) {
        if (route.endsWith('load')) continue; // tested above
        const init = method === 'post' ? { method: 'POST', body: '{}' } : {};
        const response = await fetch(`${server.url}${address}`, init);
        await response.text();
        assert.notEqual(response.status, 404, `${method} ${route}`);
      }
    }
  });
});

describe('failures are the protocol’s, with a message that says what is wrong', () => {
  const x = rowsOf(2);
  const cases: [string, unknown, RegExp][] = [
    ['no JSON', '{"inputs": [', /not JSON/],
    ['NaN in JSON', '{"inputs":[{"name":"x","data":[NaN]}]}', /NaN and Infinity are no numbers/],
    ['no object', '[]', /needs an object/],
    ['an id that is no string', inferBody(x, { id: 42 }), /id is not a string/],
    ['no inputs', {}, /inputs holds no list; the model has the one input x/],
    ['no input', { inputs: [] }, /inputs holds 0 tensors/],
    ['two inputs', { inputs: [{}, {}] }, /inputs holds 2 tensors/],
    ['another input', inferBody(x, {}, { name: 'input0' }), /no input is named "input0"/],
    ['another output', inferBody(x, { outputs: [{ name: 'z' }] }), /no output is named "z"/],
    ['outputs that are none', inferBody(x, { outputs: 7 }), /outputs is no list/],
    ['text', inferBody(x, {}, { datatype: 'BYTES' }), /datatype is "BYTES"; needs one of FP32/],
    ['a missing datatype', inferBody(x, {}, { datatype: undefined }), /datatype is missing/],
    ['a missing shape', inferBody(x, {}, { shape: undefined }), /shape is missing/],
    ['another width', inferBody(x, {}, { shape: [3, 8] }), /shape is \[3, 8\]; needs \[rows, 12\]/],
    ['one dimension', inferBody(x, {}, { shape: [24] }), /needs \[rows, 12\]/],
    ['no rows', inferBody(x, {}, { shape: [0, 12], data: [] }), /needs a row or more/],
    ['a free size', inferBody(x, {}, { shape: [-1, 12] }), /needs a list of sizes/],
    ['a huge shape', inferBody(x, {}, { shape: [1e15, 12] }), /data has 24 numbers; its shape/],
    ['too little data', inferBody(x, {}, { shape: [3, 12] }), /24 numbers; its shape needs 36/],
    ['no data', inferBody(x, {}, { data: undefined }), /data is no list/],
    ['a text as a number', inferBody(x, {}, { data: ['1', ...x.subarray(1)] }), /x\[0, 0\] is "1"/],
    [
      'a missing number',
      inferBody(x, {}, { data: [...x.subarray(1), null] }),
      /x\[1, 11\] is null/,
    ],
    ['too large a number', inferBody(x, {}, { data: [1e39, ...x.subarray(1)] }), /is Infinity in/],
    [
      'deep nesting',
      `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,12],"data":${'['.repeat(5000)}1${']'.repeat(5000)}}]}`,
      /numbers; its shape|needs a number|nested/,
    ],
    [
      'shared memory of an input',
      inferBody(x, {}, { parameters: { shared_memory_region: 'r' } }),
      /shared memory is not supported/,
    ],
    [
      'shared memory of an output',
      inferBody(x, { outputs: [{ name: 'y', parameters: { shared_memory_region: 'r' } }] }),
      /shared memory is not supported/,
    ],
    [
      'classification',
      inferBody(x, { outputs: [{ name: 'y', parameters: { classification: 2 } }] }),
      /classification extension is not supported/,
    ],
  ];
  for (const [what, body, message] of cases) {
    it(what, async () => {
      const { status, json } = await infer(body);
      assert.equal(status, 400);
      assert.deepEqual(Object.keys(json ?? {}), ['error']);
      assert.match(String(json?.['error']), message);
      assert.ok(String(json?.['error']).length < 400);
    });
  }

  it('binary tensors that do not fit their description', async () => {
    const description = (size: unknown) =>
      JSON.stringify({
        inputs: [
          { name: 'x', datatype: 'FP32', shape: [1, 12], parameters: { binary_data_size: size } },
        ],
      });
    const send = async (text: string, bytes: Uint8Array, length: string) => {
      const body = Buffer.concat([Buffer.from(text), bytes]);
      const response = await fetch(`${server.url}/v2/models/m/infer`, {
        method: 'POST',
        body,
        headers: { 'Inference-Header-Content-Length': length },
      });
      assert.equal(response.status, 400);
      return String(((await response.json()) as Body)['error']);
    };
    const fine = new Uint8Array(48);
    const text = description(48);
    const nan = new Uint8Array(Float32Array.from({ length: 12 }, () => Number.NaN).buffer);
    assert.match(await send(text, nan, `${text.length}`), /x\[0, 0\] is NaN in float32/);
    assert.match(await send(text, fine.subarray(1), `${text.length}`), /47 bytes follow/);
    assert.match(await send(description(44), fine, `${text.length}`), /binary_data_size is 44/);
    assert.match(await send(description('48'), fine, `${text.length + 2}`), /is "48" and/);
    for (const length of ['-1', '1e9', 'many', `${text.length + 49}`]) {
      assert.match(await send(text, fine, length), /Inference-Header-Content-Length is/);
    }
    const plain = JSON.stringify(inferBody(rowsOf(1)));
    assert.match(await send(plain, fine, `${plain.length}`), /48 bytes follow the JSON, and no/);
  });

  it('names that are no models, however they are written', async () => {
    for (const name of [
      'zzz',
      '..',
      '%2e%2e',
      '..%2Frun',
      '%2Fetc%2Fpasswd',
      'm%00',
      '__proto__',
    ]) {
      for (const rest of ['', '/ready', '/versions/4']) {
        // Such a name ends the path: this asks for the server.
        if (rest === '' && /^(\.|%2e){2}$/.test(name)) continue;
        const { status, json } = await call(`/v2/models/${name}${rest}`);
        assert.equal(status, 404, name);
        assert.ok(json?.['error']);
      }
    }
    assert.equal((await call('/v2/models/m/versions/3')).status, 404);
    assert.equal((await post('/v2/models/m/versions/9/infer', {})).status, 404);
    assert.equal((await post('/v2/repository/models/zzz/load', '')).status, 404);
    assert.equal((await call('/v2/nothing')).status, 404);
    assert.equal((await call('/v2/models/m/infer')).status, 404);
  });

  it('a body that is too large, announced or not', async () => {
    const announced = await infer('x'.repeat((1 << 20) + 1));
    assert.equal(announced.status, 413);
    assert.match(String(announced.json?.['error']), /at most 1048576 bytes/);
    const status = await new Promise<number>((resolve, reject) => {
      const request = http.request(`${server.url}/v2/models/m/infer`, { method: 'POST' });
      request.on('response', (response) => resolve(response.statusCode ?? 0));
      request.on('error', reject);
      for (let i = 0; i < 20; i++) request.write(Buffer.alloc(64 << 10, ' '));
    });
    assert.equal(status, 413);
  });

  it('a client that writes all of a refused body before it reads gets its answer', async () => {
    const { port } = new URL(server.url);
    const bytes = 24 << 20;
    const head = `POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n`;
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = net.connect(Number(port), '127.0.0.1');
      socket.on('error', reject);
      socket.write(head);
      socket.write(Buffer.alloc(bytes, ' '), () => {
        socket.on('data', (text) => {
          socket.destroy();
          resolve(String(text));
        });
      });
    });
    assert.match(answer, /^HTTP\/1.1 413 /);
  });

  it('compressed bodies, and what is none', async () => {
    const json = Buffer.from(JSON.stringify(inferBody(x)));
    const expected = await model.predict(x);
    const send = async (body: Buffer, encoding: string) =>
      call('/v2/models/m/infer', {
        method: 'POST',
        body: new Uint8Array(body),
        headers: { 'content-encoding': encoding },
      });
    for (const [encoding, body] of [
      ['gzip', zlib.gzipSync(json)],
      ['deflate', zlib.deflateSync(json)],
      ['identity', json],
    ] as const) {
      const { status, json: answer } = await send(body, encoding);
      assert.equal(status, 200, encoding);
      assertNear(answerOf(answer)?.data ?? [], expected);
    }
    const bomb = zlib.gzipSync(Buffer.alloc(64 << 20));
    const refusals = [
      [bomb, 'gzip', 413, /at most 1048576 bytes/],
      [json, 'gzip', 400, /the body is not gzip: incorrect header check/],
      [zlib.gzipSync(json).subarray(0, 40), 'gzip', 400, /the body is not gzip/],
      [json, 'br', 415, /Content-Encoding is "br"; needs one of gzip, deflate/],
    ] as const;
    for (const [body, encoding, status, message] of refusals) {
      const refused = await send(body, encoding);
      assert.equal(refused.status, status, refused.text);
      assert.match(String(refused.json?.['error']), message);
    }
  });

  it('clients that leave in the middle cost nothing', async () => {
    const { port } = new URL(server.url);
    const head = 'POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"in';
    for (let i = 0; i < 20; i++) {
      const socket = net.connect(Number(port), '127.0.0.1', () => socket.write(head));
      socket.on('error', () => {});
      setTimeout(() => socket.destroy(), 20);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
    assert.equal((await infer(inferBody(rowsOf(1)))).status, 200);
  });
});

describe('a server of its own', () => {
  it('asks for the token everywhere but for health', async () => {
    const own = await serve(
      { ...SERVE_SETTINGS, models: [run], token: 'secret', ranks: 1 },
      '0',
      log,
    );
    try {
      const { url } = own;
      const name = path.basename(run);
      assert.equal((await call('/v2/health/ready', { url })).status, 200);
      for (const authorization of [undefined, 'secret', 'Bearer secre', 'Bearer secret2']) {
        const headers = authorization === undefined ? {} : { authorization };
        const refused = await call(`/v2/models/${name}`, { url, headers });
        assert.equal(refused.status, 401);
        assert.equal(refused.headers.get('www-authenticate'), 'Bearer');
      }
      const headers = { authorization: 'Bearer secret' };
      assert.equal((await call(`/v2/models/${name}`, { url, headers })).status, 200);
    } finally {
      await own.close(1000);
    }
  });

  it('refuses rows beyond the queue, and answers those that wait', async () => {
    const own = await serve(
      {
        ...SERVE_SETTINGS,
        models: [`m=${run}`],
        ranks: 1,
        maxBatch: 100,
        maxDelayMs: 300,
        maxQueue: 3,
      },
      '0',
      log,
    );
    try {
      const { url } = own;
      const body = JSON.stringify(inferBody(rowsOf(1)));
      const all = await Promise.all(
        Array.from({ length: 6 }, () => call('/v2/models/m/infer', { url, method: 'POST', body })),
      );
      const statuses = all.map(({ status }) => status).toSorted((a, b) => a - b);
      assert.deepEqual(statuses, [200, 200, 200, 429, 429, 429]);
      const refused = all.find(({ status }) => status === 429);
      assert.equal(refused?.headers.get('retry-after'), '1');
      const metrics = await (await fetch(`${url}/metrics`)).text();
      assert.match(metrics, /failures_total\{model="m",reason="queue_full"\} 3/);
    } finally {
      await own.close(1000);
    }
  });

  it('says that it was too late, when it was', async () => {
    const own = await serve(
      {
        ...SERVE_SETTINGS,
        models: [`m=${run}`],
        ranks: 1,
        maxBatch: 9,
        maxDelayMs: 500,
        timeoutMs: 50,
      },
      '0',
      log,
    );
    try {
      const body = JSON.stringify(inferBody(rowsOf(1)));
      const late = await call('/v2/models/m/infer', { url: own.url, method: 'POST', body });
      assert.equal(late.status, 503);
      assert.match(String(late.json?.['error']), /no answer within 50 ms/);
    } finally {
      await own.close(1000);
    }
  });

  it('loads a newer checkpoint and then ends, without dropping a request', async () => {
    const growing = path.join(folder, 'growing');
    cpSync(run, growing, { recursive: true });
    const newest = openModel(growing).weights;
    rmSync(newest, { recursive: true });
    const own = await serve({ ...SERVE_SETTINGS, models: [`m=${growing}`], ranks: 2 }, '0', log);
    const bodies = [1, 2, 3].map((rows) => JSON.stringify(inferBody(rowsOf(rows))));
    const versions = new Map<string, number>();
    let stopping = false;
    const old = await loadModel(growing, { engine: 'wasm' });
    const expected = new Map([
      ['2', await old.predict(rowsOf(3))],
      ['4', await model.predict(rowsOf(3))],
    ]);
    await old.close();
    const client = async (offset: number) => {
      for (let i = offset; ; i++) {
        const body = bodies[i % 3];
        let answer: Awaited<ReturnType<typeof call>>;
        try {
          answer = await call('/v2/models/m/infer', { url: own.url, method: 'POST', body });
        } catch (error) {
          // The server listens no more: this request was never taken.
          if (stopping) return;
          throw error;
        }
        assert.equal(answer.status, 200, answer.text);
        const version = String(answer.json?.['model_version']);
        versions.set(version, (versions.get(version) ?? 0) + 1);
        const { data } = answerOf(answer.json);
        assertNear(data, (expected.get(version) as Float32Array).subarray(0, data.length));
      }
    };
    const clients = [0, 1, 2, 3, 4, 5].map(client);
    const enough = async (version: string, count: number) => {
      while ((versions.get(version) ?? 0) < count) {
        await new Promise((resolve) => {
          setTimeout(resolve, 5);
        });
      }
    };
    await enough('2', 20);
    cpSync(path.join(run, 'checkpoints', path.basename(newest)), newest, { recursive: true });
    await own.reload();
    await enough('4', 20);
    stopping = true;
    await own.close(5000);
    await Promise.all(clients);
    assert.deepEqual([...versions.keys()], ['2', '4']);
  });
});
