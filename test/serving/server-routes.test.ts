// The server against the Open Inference Protocol's REST specification: every route.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  answerOf,
  assertNear,
  type Body,
  FEATURES,
  inferBody,
  type Output,
  OUTPUTS,
  rowsOf,
} from '../support/inference-client.js';
import { servedRun } from '../support/served-run.js';

const served = servedRun();
const { get, send, infer } = served;

describe('routes of the specification', () => {
  it('health, metadata and readiness', async () => {
    // Clients read the status (Triton's) or the fields (KServe's).
    for (const [route, says] of [
      ['/v2/health/live', { live: true }],
      ['/v2/health/ready', { live: true, ready: true }],
      ['/v2/models/m/ready', { name: 'm', ready: true }],
    ] as const) {
      const { status, json } = await get(route);
      assert.deepEqual([status, json], [200, says], route);
    }
    for (const route of ['/v2', '/v2/']) {
      const { json } = await get(route);
      assert.equal(json?.['name'], 'phantom-parallel');
      assert.deepEqual(json?.['extensions'], ['binary_tensor_data', 'model_repository']);
    }
    for (const route of ['/v2/models/m', '/v2/models/m/versions/4']) {
      assert.deepEqual((await get(route)).json, {
        name: 'm',
        versions: ['4'],
        platform: 'phantom_parallel',
        inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, FEATURES] }],
        outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, OUTPUTS] }],
      });
    }
    assert.equal((await get('/v2/models/m/versions/4/ready')).status, 200);
  });

  it('infer: flat and nested data, id, version, requested outputs', async () => {
    const x = rowsOf(3);
    const expected = await served.model.predict(x);
    const nested = [0, 1, 2].map((row) => [...x.subarray(row * FEATURES, (row + 1) * FEATURES)]);
    const bodies = [
      inferBody(x, { id: '42', outputs: [{ name: 'y' }] }),
      inferBody(x, { id: '42' }, { data: nested }),
      inferBody(x, { id: '42', parameters: { anything: 1 } }, { shape: [3, 3, 4] }),
      inferBody(x, { id: '42', parameters: null, outputs: null }, { parameters: null }),
    ];
    for (const body of bodies) {
      for (const route of ['/v2/models/m/infer', '/v2/models/m/versions/4/infer']) {
        const { status, json, headers } = await send(route, body);
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
      assertNear(answers[i]?.data ?? [], await served.model.predict(rowsOf(rows, i)));
    }
  });

  it('binary tensors, in and out, of every datatype', async () => {
    const x = rowsOf(2).map((value) => Math.round(value * 50) + 60);
    const expected = await served.model.predict(x);
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
        const response = await fetch(`${served.server.url}/v2/models/m/infer`, {
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
      ((await send('/v2/repository/index', body)).json as unknown as Body[]).map(
        ({ name, state }) => `${String(name)} ${String(state)}`,
      );
    assert.deepEqual(await states(), ['m READY', 'n READY']);
    assert.equal((await send('/v2/repository/models/n/unload', '')).status, 200);
    assert.deepEqual(await states({}), ['m READY', 'n UNAVAILABLE']);
    assert.deepEqual(await states({ ready: true }), ['m READY']);
    for (const route of ['/v2/health/ready', '/v2/models/n/ready', '/v2/models/n']) {
      const { status, json, headers } = await get(route);
      assert.equal(status, 503, route);
      assert.equal(headers.get('retry-after'), '1');
      assert.match(String(json?.['error']), /n is not ready: it has been unloaded/);
    }
    assert.equal((await send('/v2/models/n/infer', inferBody(rowsOf(1)))).status, 503);
    assert.equal((await send('/v2/repository/models/n/load', { parameters: {} })).status, 200);
    assert.equal((await get('/v2/health/ready')).status, 200);
    const odd = await send('/v2/repository/models/n/load', { parameters: { config: '{}' } });
    assert.equal(odd.status, 400);
  });

  it('metrics and an OpenAPI document whose every path is a route', async () => {
    await infer(inferBody(rowsOf(1)));
    const metrics = await (await fetch(`${served.server.url}/metrics`)).text();
    assert.match(metrics, /phantom_requests_total\{model="m"\} [1-9]/);
    for (const name of ['queue', 'compute', 'request']) {
      assert.match(metrics, new RegExp(`phantom_${name}_seconds_bucket\\{le="0.1",model="m"\\}`));
    }
    assert.match(metrics, /phantom_batch_rows_sum\{model="m"\} [1-9]/);
    assert.match(metrics, /phantom_exposed_communication_seconds_total\{model="m"\}/);
    assert.match(metrics, /phantom_energy_joules_per_request\{obtained="\w+"\} \d/);
    assert.match(metrics, /phantom_model_ready\{model="n"\} 1/);

    const { json } = await get('/openapi.json');
    const { openapi, paths } = json as { openapi: string; paths: Record<string, object> };
    assert.match(openapi, /^3\.1/);
    assert.equal(Object.keys(paths).length, 20);
    for (const [route, methods] of Object.entries(paths)) {
      const address = route.replace('{model}', 'm').replace('{version}', '4');
      for (const method of Object.keys(methods)) {
        if (route.endsWith('load')) continue; // tested above
        const init = method === 'post' ? { method: 'POST' } : {};
        const response = await fetch(`${served.server.url}${address}`, init);
        // The models here are not of tables: they have no schema, which is 404 as well.
        assert.doesNotMatch(await response.text(), /no such route/, `${method} ${route}`);
      }
    }
  });
});
