// A web page that a user of the server's machine has opened may send requests to it. None gets
// through, and what is not asked by its operator is not loaded or unloaded.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { type RunningServer, serve } from 'phantom-parallel';
import { temporaryFolder } from '../support/files.js';
import { inferBody, quietLog, rowsOf, trainServedRun } from '../support/inference-client.js';
import { SERVE_SETTINGS } from '../support/serve-settings.js';

const cleanup: (() => unknown)[] = [];
const body = JSON.stringify(inferBody(rowsOf(1)));
let run = '';
before(async () => {
  run = await trainServedRun(
    temporaryFolder({ after: (work: () => unknown) => cleanup.push(work) }),
  );
});
after(() => {
  for (const work of cleanup) work();
});

async function served(
  settings: Partial<typeof SERVE_SETTINGS>,
  work: (url: string) => Promise<void>,
): Promise<void> {
  const models = [`m=${run}`];
  let server: RunningServer | null = null;
  try {
    server = await serve({ ...SERVE_SETTINGS, models, ranks: 1, ...settings, log: quietLog });
    await work(server.url);
  } finally {
    await server?.close(1000);
  }
}

/** With headers that fetch would not send. */
function ask(
  url: string,
  headers: Record<string, string>,
  text: string | null = body,
): Promise<{ status: number; error: string }> {
  return new Promise((resolve, reject) => {
    const method = text === null ? 'GET' : 'POST';
    const request = http.request(url, { method, headers, agent: false }, (response) => {
      let answer = '';
      response.on('data', (piece: Buffer) => {
        answer += String(piece);
      });
      response.on('end', () => {
        const { error = '' } = (answer === '' ? {} : JSON.parse(answer)) as { error?: string };
        resolve({ status: response.statusCode ?? 0, error });
      });
    });
    request.on('error', reject);
    // As bytes: with a text, headers are sent as UTF-8 too.
    request.end(text === null ? undefined : Buffer.from(text));
  });
}

const json = { 'Content-Type': 'application/json' };

describe('requests from web pages', () => {
  it('need a Host that the server knows', async () => {
    await served({ allowHosts: ['models.example'] }, async (url) => {
      const route = `${url}/v2/models/m/infer`;
      const fine = ['localhost', 'LOCALHOST:80', '127.0.0.1:1', '127.9.9.9', '[::1]:8000'];
      for (const host of [...fine, 'models.example', 'Models.Example.:443']) {
        assert.equal((await ask(route, { ...json, Host: host })).status, 200, host);
      }
      for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example']) {
        for (const text of [body, null]) {
          const at = text === null ? `${url}/v2/health/live` : route;
          const { status, error } = await ask(at, { ...json, Host: host }, text);
          assert.equal(status, 403, host);
          assert.match(error, /Host is .* which is not this server; .*--allow-host/);
        }
      }
    });
    await served({ allowHosts: ['*'] }, async (url) => {
      const { status } = await ask(`${url}/v2/models/m/infer`, { ...json, Host: 'any.example' });
      assert.equal(status, 200);
    });
  });

  it('need an Origin that is the server itself', async () => {
    await served({}, async (url) => {
      const { host } = new URL(url);
      const route = `${url}/v2/models/m/infer`;
      for (const origin of ['http://evil.example', 'null', `http://${host}1`, 'http://localhost']) {
        const { status, error } = await ask(route, { ...json, Origin: origin });
        assert.equal(status, 403, origin);
        assert.match(error, /Origin is /);
      }
      assert.equal((await ask(route, { ...json, Origin: url })).status, 200);
    });
  });

  it('need a type that forms cannot send', async () => {
    await served({}, async (url) => {
      const route = `${url}/v2/models/m/infer`;
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=application/json',
        'application/jsonx',
      ]) {
        const { status, error } = await ask(route, { 'Content-Type': type });
        assert.equal(status, 415, type);
        assert.match(error, /needs one of application\/json, application\/octet-stream/);
        for (const path of ['index', 'models/m/unload']) {
          const at = `${url}/v2/repository/${path}`;
          assert.equal((await ask(at, { 'Content-Type': type }, '{}')).status, 415);
        }
      }
      for (const type of ['application/json; charset=utf-8', 'Application/JSON']) {
        assert.equal((await ask(route, { 'Content-Type': type })).status, 200, type);
      }
      // Triton's client leaves it out; a browser cannot leave out its Origin.
      assert.equal((await ask(route, {})).status, 200);
      assert.equal((await ask(route, { Origin: url })).status, 415);
    });
  });

  it('load and unload nothing, unless the operator lets requests do that', async () => {
    await served({ allowControl: false }, async (url) => {
      for (const change of ['load', 'unload']) {
        const { status, error } = await ask(`${url}/v2/repository/models/m/${change}`, json, '{}');
        assert.equal(status, 403);
        assert.match(error, /--token-file or --allow-control/);
      }
      assert.equal((await ask(`${url}/v2/health/ready`, {}, null)).status, 200);
      assert.equal((await ask(`${url}/v2/repository/index`, json, '{}')).status, 200);
    });
    await served({ allowControl: false, token: 'größe 🔑' }, async (url) => {
      const token = Buffer.from('größe 🔑').toString('latin1');
      const route = `${url}/v2/repository/models/m/load`;
      for (const scheme of ['Bearer', 'bearer', 'BEARER ']) {
        const headers = { ...json, Authorization: `${scheme} ${token}` };
        assert.equal((await ask(route, headers, '{}')).status, 200, scheme);
      }
      for (const wrong of [token, `Basic ${token}`, `Bearer ${token}x`, 'Bearer', 'Bearer gr']) {
        assert.equal((await ask(route, { ...json, Authorization: wrong }, '{}')).status, 401);
      }
    });
  });
});
