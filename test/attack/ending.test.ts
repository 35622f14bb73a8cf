// How a server ends: everything that was sent is answered, and nothing keeps it longer than allowed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LoadedModel, loadModel } from 'phantom-parallel';
import { ServedModel } from '#src/serving/server/served-model.js';
import { inferBody, quietLog, rowsOf, trainServedRun } from '../support/inference-client.js';
import { RawConnection, rawRequest, serveProcess } from './support/served.js';

let folder = '';
let run = '';
before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'phantom-ending-'));
  run = await trainServedRun(folder);
});
after(() => rmSync(folder, { recursive: true, force: true }));

const request = rawRequest('/v2/models/m/infer', JSON.stringify(inferBody(rowsOf(1))));

describe('SIGTERM', () => {
  it('drops no request that was written before it', async () => {
    const server = await serveProcess([`m=${run}`, '--ranks', '1', '--engine', 'wasm']);
    // Connections that the server has not accepted, while it is busy with the ones before.
    const connections = Array.from({ length: 60 }, () => new RawConnection(server.url));
    const idle = new RawConnection(server.url);
    await idle.write(request);
    await once(idle.socket, 'data');
    await Promise.all(connections.map((connection) => connection.write(request)));
    server.signal('SIGTERM');
    // A connection that was kept alive asks again when the server is already ending.
    await sleep(50);
    await idle.write(request);
    const answers = await Promise.all(connections.map(({ answer }) => answer));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    const { text, reset } = await idle.answer;
    assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 2, text);
    assert.match(text, /Connection: close/i);
    assert.equal(reset, false);
    assert.equal(await server.ended, 0);
  });

  it('ends in the time it is given, whatever hangs', async () => {
    const args = [`m=${run}`, '--ranks', '1', '--engine', 'wasm', '--drain-s', '1'];
    const server = await serveProcess(args);
    const unfinished = new RawConnection(server.url);
    await unfinished.write(request.subarray(0, -1));
    const silent = new RawConnection(server.url);
    await fetch(`${server.url}/v2/health/live`);
    server.signal('SIGTERM');
    assert.equal(await server.ended, 0);
    await Promise.all([unfinished.answer, silent.answer]);
  });
});

/** A model that is loaded when the test lets it. */
function controlled() {
  const loads: { resolve(model: LoadedModel): void; reject(error: Error): void }[] = [];
  const served = new ServedModel({
    name: 'm',
    load: () =>
      new Promise((resolve, reject) => {
        loads.push({ resolve, reject });
      }),
    newest: () => '',
    limits: { maxDelayMs: 0, maxQueue: 10, timeoutMs: 1000 },
    onBatch: () => {},
    log: quietLog,
  });
  return { loads, served };
}

/** A stand-in for ranks: they end when they are closed or aborted. */
function standIn(stall: { forMs: number; ranks: number[] } | null = null) {
  let end = () => {};
  const session = {
    stall,
    failure: null as Error | null,
    ended: new Promise<void>((resolve) => {
      end = resolve;
    }),
    abort(cause: string) {
      session.failure = new Error(cause);
      end();
    },
  };
  const source = { weights: 'w', step: 1, schema: null };
  const model = { session, source, features: 1, outputs: 1, maxBatch: 1, close: async () => end() };
  return { session, model: model as unknown as LoadedModel };
}

describe('loads of a model', () => {
  it('are one for all who ask before it begins', async () => {
    const { loads, served } = controlled();
    const all = Array.from({ length: 200 }, () => served.load());
    await sleep(0);
    assert.equal(loads.length, 1);
    // It has begun: it may not see what is newer.
    const later = Array.from({ length: 200 }, () => served.load());
    loads[0]?.resolve(standIn().model);
    await Promise.all(all);
    await sleep(0);
    assert.equal(loads.length, 2);
    loads[1]?.resolve(standIn().model);
    await Promise.all(later);
    assert.equal(loads.length, 2);
    await served.close(1000);
  });

  it('are refused when many changes wait', async () => {
    const { loads, served } = controlled();
    const outcomes = Array.from({ length: 50 }, (_, i) =>
      (i % 2 === 0 ? served.load() : served.unload()).then(
        () => 'done',
        (error: Error) => error.message,
      ),
    );
    await sleep(0);
    const ending = served.close(0);
    const all = await Promise.all(outcomes);
    await ending;
    assert.ok(all.filter((text) => /loads and unloads of m wait already/.test(text)).length >= 40);
    assert.equal(loads.length, 1);
  });

  it('that never end do not keep the server', async () => {
    const { loads, served } = controlled();
    const load = served.load();
    await sleep(0);
    await Promise.all([served.close(20), assert.rejects(load, /shutting down/)]);
    // Ranks that are there after all are ended.
    const late = standIn();
    loads[0]?.resolve(late.model);
    await late.session.ended;
    assert.match(late.session.failure?.message ?? '', /has ended/);
  });
});

describe('ranks that hang', () => {
  it('make the model not ready, are named, and are replaced', async () => {
    const { loads, served } = controlled();
    const first = served.load();
    await sleep(0);
    const stuck = standIn();
    loads[0]?.resolve(stuck.model);
    await first;
    assert.ok(served.ready);
    stuck.session.stall = { forMs: 5999, ranks: [1] };
    while (served.ready) await sleep(20);
    assert.match(served.reason, /stuck rank 1: a batch has no answer after 6\.0 s/);
    assert.match(stuck.session.failure?.message ?? '', /stuck rank 1/);
    while (loads.length < 2) await sleep(20);
    loads[1]?.resolve(standIn().model);
    while (!served.ready) await sleep(20);
    await served.close(1000);
  });

  it('are those that have not done their part of a batch', async () => {
    const model = await loadModel(run, { ranks: 2, engine: 'wasm' });
    const stalled = () => model.session.stall?.ranks ?? null;
    assert.equal(stalled(), null);
    const answer = model.predict(rowsOf(1));
    assert.ok(stalled()?.every((rank) => rank === 0 || rank === 1));
    await answer;
    assert.equal(stalled(), null);
    await model.close();
  });
});
