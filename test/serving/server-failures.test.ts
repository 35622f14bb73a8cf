// The server against requests that are wrong: each gets the protocol's error, with a message that
// says what is wrong.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { describe, it } from 'node:test';
import zlib from 'node:zlib';
import {
  answerOf,
  assertNear,
  type Body,
  call,
  inferBody,
  rowsOf,
} from '../support/inference-client.js';
import { servedRun } from '../support/served-run.js';

const served = servedRun();
const { get, send, infer } = served;

describe('failures are the protocol’s, with a message that says what is wrong', () => {
  const x = rowsOf(2);
  const cases: [string, unknown, RegExp][] = [
    ['no JSON', '{"inputs": [', /not JSON/],
    [
      'NaN in JSON',
      '{"inputs":[{"name":"x","data":[NaN]}]}',
      /NaN and Infinity are not JSON numbers/,
    ],
    ['no object', '[]', /needs an object/],
    ['an id that is no string', inferBody(x, { id: 42 }), /id is not a string/],
    ['no inputs', {}, /inputs is not a list; it must be a list of one tensor, x/],
    ['no input', { inputs: [] }, /inputs has 0 tensors/],
    ['two inputs', { inputs: [{}, {}] }, /inputs has 2 tensors/],
    ['another input', inferBody(x, {}, { name: 'input0' }), /no input is named "input0"/],
    ['another output', inferBody(x, { outputs: [{ name: 'z' }] }), /no output is named "z"/],
    ['outputs that are none', inferBody(x, { outputs: 7 }), /"outputs" must be a list/],
    ['text', inferBody(x, {}, { datatype: 'BYTES' }), /datatype is "BYTES"; needs one of FP32/],
    ['a missing datatype', inferBody(x, {}, { datatype: undefined }), /datatype is missing/],
    ['a missing shape', inferBody(x, {}, { shape: undefined }), /shape is missing/],
    ['another width', inferBody(x, {}, { shape: [3, 8] }), /shape is \[3, 8\]; needs \[rows, 12\]/],
    ['one dimension', inferBody(x, {}, { shape: [24] }), /needs \[rows, 12\]/],
    ['no rows', inferBody(x, {}, { shape: [0, 12], data: [] }), /needs a row or more/],
    ['a free size', inferBody(x, {}, { shape: [-1, 12] }), /needs a list of sizes/],
    ['a huge shape', inferBody(x, {}, { shape: [1e15, 12] }), /data has 24 numbers; its shape/],
    ['too little data', inferBody(x, {}, { shape: [3, 12] }), /24 numbers; its shape needs 36/],
    ['no data', inferBody(x, {}, { data: undefined }), /"data" must be a list/],
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
    const upload = async (text: string, bytes: Uint8Array, length: string) => {
      const body = Buffer.concat([Buffer.from(text), bytes]);
      const response = await fetch(`${served.server.url}/v2/models/m/infer`, {
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
    assert.match(await upload(text, nan, `${text.length}`), /x\[0, 0\] is NaN in float32/);
    assert.match(await upload(text, fine.subarray(1), `${text.length}`), /47 bytes follow/);
    assert.match(
      await upload(description(44), fine, `${text.length}`),
      /4 bytes follow the JSON and what/,
    );
    assert.match(
      await upload(description('48'), fine, `${text.length + 2}`),
      /binary_data_size is "48"/,
    );
    for (const length of ['-1', '1e9', 'many', `${text.length + 49}`]) {
      assert.match(await upload(text, fine, length), /Inference-Header-Content-Length is/);
    }
    const plain = JSON.stringify(inferBody(rowsOf(1)));
    assert.match(await upload(plain, fine, `${plain.length}`), /48 bytes follow the JSON, and no/);
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
        const { status, json } = await get(`/v2/models/${name}${rest}`);
        assert.equal(status, 404, name);
        assert.ok(json?.['error']);
      }
    }
    assert.equal((await get('/v2/models/m/versions/3')).status, 404);
    assert.equal((await send('/v2/models/m/versions/9/infer', {})).status, 404);
    assert.equal((await send('/v2/repository/models/zzz/load', '')).status, 404);
    assert.equal((await get('/v2/nothing')).status, 404);
    assert.equal((await get('/v2/models/m/infer')).status, 404);
  });

  it('a body that is too large, announced or not', async () => {
    const announced = await infer('x'.repeat((1 << 20) + 1));
    assert.equal(announced.status, 413);
    assert.match(String(announced.json?.['error']), /at most 1048576 bytes/);
    const status = await new Promise<number>((resolve, reject) => {
      const request = http.request(`${served.server.url}/v2/models/m/infer`, { method: 'POST' });
      request.on('response', (response) => resolve(response.statusCode ?? 0));
      request.on('error', reject);
      for (let i = 0; i < 20; i++) request.write(Buffer.alloc(64 << 10, ' '));
    });
    assert.equal(status, 413);
  });

  it('a client that writes all of a refused body before it reads gets its answer', async () => {
    const { port } = new URL(served.server.url);
    const bytes = 24 << 20;
    const head = `POST /v2/models/m/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bytes}\r\n\r\n`;
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
    const expected = await served.model.predict(x);
    const upload = async (body: Buffer, encoding: string) =>
      call(`${served.server.url}/v2/models/m/infer`, {
        method: 'POST',
        body: new Uint8Array(body),
        headers: { 'content-encoding': encoding, 'content-type': 'application/json' },
      });
    for (const [encoding, body] of [
      ['gzip', zlib.gzipSync(json)],
      ['deflate', zlib.deflateSync(json)],
      ['identity', json],
    ] as const) {
      const { status, json: answer } = await upload(body, encoding);
      assert.equal(status, 200, encoding);
      assertNear(answerOf(answer)?.data ?? [], expected);
    }
    const bomb = zlib.gzipSync(Buffer.alloc(64 << 20, ' '));
    const refusals = [
      [bomb, 'gzip', 413, /at most 1048576 bytes/],
      [json, 'gzip', 400, /the body is not gzip: incorrect header check/],
      [zlib.gzipSync(json).subarray(0, 40), 'gzip', 400, /the body is not gzip/],
      [json, 'br', 415, /Content-Encoding is "br"; needs one of gzip, deflate/],
    ] as const;
    for (const [body, encoding, status, message] of refusals) {
      const refused = await upload(body, encoding);
      assert.equal(refused.status, status, refused.text);
      assert.match(String(refused.json?.['error']), message);
    }
  });

  it('clients that leave in the middle cost nothing', async () => {
    const { port } = new URL(served.server.url);
    const head =
      'POST /v2/models/m/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{"in';
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
