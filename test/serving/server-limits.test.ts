// Servers with settings of their own: token, queue, timeout, reload.
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import path from 'node:path';
import { describe, it } from 'node:test';
import { loadModel, serve } from 'phantom-parallel';
import { openModel } from '#src/models/model-source.js';
import {
  answerOf,
  assertNear,
  call,
  inferBody,
  post,
  quietLog,
  rowsOf,
} from '../support/inference-client.js';
import { SERVE_SETTINGS } from '../support/serve-settings.js';
import { servedRun } from '../support/served-run.js';

const base = servedRun({ isServed: false });

/** Of an answer to an address that is sent as it is. */
async function statusOf(url: string, address: string): Promise<number | undefined> {
  const asked = request(url, { path: address }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

describe('a server of its own', () => {
  it('asks for the token everywhere but for health and the page', async () => {
    const own = await serve({
      ...SERVE_SETTINGS,
      models: [base.run],
      token: 'secret',
      ranks: 1,
      log: quietLog,
    });
    try {
      const { url } = own;
      const name = path.basename(base.run);
      assert.equal((await call(`${url}/v2/health/ready`)).status, 200);
      assert.equal(await statusOf(url, '/'), 200);
      // Addresses that clients of HTTP libraries would make shorter before they send them.
      for (const address of [
        '/v2/health/../../metrics',
        '/v2/health/%2e%2e/%2e%2e/metrics',
        `/v2/health/../models/${name}`,
        '/./metrics',
        '//metrics',
      ]) {
        const answer = await statusOf(url, address);
        assert.ok(answer === 401 || answer === 404, `${address}: ${answer}`);
      }
      for (const authorization of [undefined, 'secret', 'Bearer secre', 'Bearer secret2']) {
        const headers = authorization === undefined ? {} : { authorization };
        const refused = await call(`${url}/v2/models/${name}`, { headers });
        assert.equal(refused.status, 401);
        assert.equal(refused.headers.get('www-authenticate'), 'Bearer');
      }
      const headers = { authorization: 'Bearer secret' };
      assert.equal((await call(`${url}/v2/models/${name}`, { headers })).status, 200);
    } finally {
      await own.close(1000);
    }
  });

  it('refuses rows beyond the queue, and answers those that wait', async () => {
    const own = await serve({
      ...SERVE_SETTINGS,
      models: [`m=${base.run}`],
      ranks: 1,
      maxBatch: 100,
      // All have arrived by then.
      maxDelayMs: 2000,
      maxQueue: 3,
      log: quietLog,
    });
    try {
      const { url } = own;
      const body = JSON.stringify(inferBody(rowsOf(1)));
      const all = await Promise.all(
        Array.from({ length: 6 }, () => post(`${url}/v2/models/m/infer`, body)),
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
    const own = await serve({
      ...SERVE_SETTINGS,
      models: [`m=${base.run}`],
      ranks: 1,
      maxBatch: 9,
      maxDelayMs: 500,
      timeoutMs: 50,
      log: quietLog,
    });
    try {
      const body = JSON.stringify(inferBody(rowsOf(1)));
      const late = await post(`${own.url}/v2/models/m/infer`, body);
      assert.equal(late.status, 503);
      assert.match(String(late.json?.['error']), /no answer within 50 ms/);
    } finally {
      await own.close(1000);
    }
  });

  it('loads a newer checkpoint and then ends, without dropping a request', async () => {
    const growing = path.join(base.folder, 'growing');
    cpSync(base.run, growing, { recursive: true });
    const newest = openModel(growing).weights;
    rmSync(newest, { recursive: true });
    const own = await serve({
      ...SERVE_SETTINGS,
      models: [`m=${growing}`],
      ranks: 2,
      log: quietLog,
    });
    const bodies = [1, 2, 3].map((rows) => JSON.stringify(inferBody(rowsOf(rows))));
    const versions = new Map<string, number>();
    let stopping = false;
    const old = await loadModel(growing, { engine: 'wasm' });
    const expected = new Map([
      ['2', await old.predict(rowsOf(3))],
      ['4', await base.model.predict(rowsOf(3))],
    ]);
    await old.close();
    const client = async (offset: number) => {
      for (let i = offset; ; i++) {
        const body = bodies[i % 3];
        let answer: Awaited<ReturnType<typeof call>>;
        try {
          answer = await post(`${own.url}/v2/models/m/infer`, body);
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
    cpSync(path.join(base.run, 'checkpoints', path.basename(newest)), newest, { recursive: true });
    await own.reload();
    await enough('4', 20);
    stopping = true;
    await own.close(5000);
    await Promise.all(clients);
    assert.deepEqual([...versions.keys()], ['2', '4']);
  });
});
