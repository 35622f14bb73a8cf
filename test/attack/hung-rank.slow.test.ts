// A rank that hangs while the server answers: the server says so, names it, and goes on with new ones.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { call, inferBody, post, rowsOf, trainServedRun } from '../support/inference-client.js';
import { serveProcess } from './support/served.js';

/** Loaded into every thread: rank 1 waits for ever from the moment that a file is there. */
const HANG = `
import { existsSync } from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';
if (!isMainThread && workerData?.rank === 1) {
  const { wait } = Atomics;
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait = (...args) => {
    const outcome = wait(...args);
    while (existsSync(process.env.HANG)) wait(nothing, 0, 0, 1000);
    return outcome;
  };
}
`;

it('a rank that hangs is named and replaced', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'phantom-hang-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const run = await trainServedRun(folder);
  const module = path.join(folder, 'hang.mjs');
  const trigger = path.join(folder, 'hang');
  writeFileSync(module, HANG);
  const args = [`m=${run}`, '--ranks', '2', '--engine', 'wasm', '--timeout-ms', '1000'];
  const env = { NODE_OPTIONS: `--import ${module}`, HANG: trigger };
  const server = await serveProcess(args, { env });
  const infer = () => post(`${server.url}/v2/models/m/infer`, inferBody(rowsOf(1)));
  assert.equal((await infer()).status, 200);

  writeFileSync(trigger, '');
  assert.equal((await infer()).status, 503);
  let reason = '';
  while (reason === '') {
    const { status, json } = await call(`${server.url}/v2/health/ready`);
    if (status === 503) reason = String(json?.['error']);
    assert.equal((await call(`${server.url}/v2/health/live`)).status, 200);
    await sleep(50);
  }
  assert.match(reason, /m is not ready: .*stuck rank 1: a batch has no answer after \d/);
  const line = server.lines.find(({ ranks }) => Array.isArray(ranks));
  assert.deepEqual(line?.['ranks'], [1]);

  rmSync(trigger);
  while ((await call(`${server.url}/v2/health/ready`)).status !== 200) await sleep(50);
  assert.equal((await infer()).status, 200);
  server.signal('SIGTERM');
  assert.equal(await server.ended, 0);
});
