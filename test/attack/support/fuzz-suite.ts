// The same attack in two lengths: right requests are answered rightly, wrong ones refused, and none
// hurts.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type LoadedModel, loadModel, type RunningServer, serve } from 'phantom-parallel';
import { temporaryFolder } from '../../support/files.js';
import { quietLog, trainServedRun } from '../../support/inference-client.js';
import { SERVE_SETTINGS } from '../../support/serve-settings.js';
import { fuzzHttp, fuzzInferBodies } from './fuzzing.js';

/** @param bodies inference requests, and @param connections bytes that are almost HTTP */
export function fuzzSuite(bodies: number, connections: number): void {
  const seed = Number(process.env['PHANTOM_TEST_SEED'] ?? 1);
  const cleanup: (() => unknown)[] = [];
  let server: RunningServer;
  let model: LoadedModel;

  before(async () => {
    const folder = temporaryFolder({ after: (work: () => unknown) => cleanup.push(work) });
    const run = await trainServedRun(folder);
    const settings = { ...SERVE_SETTINGS, ranks: 1, timeoutMs: 60_000, maxQueue: 10_000 };
    server = await serve({ ...settings, models: [`m=${run}`], log: quietLog });
    model = await loadModel(run, { engine: 'wasm' });
  });
  after(async () => {
    await server.close(5000);
    await model.close();
    for (const work of cleanup) work();
  });

  describe('fuzzed requests', () => {
    it('with bodies for inference', async () => {
      const statuses = await fuzzInferBodies(server.url, model, { seed, first: 0, count: bodies });
      for (const status of [200, 400, 413, 415])
        assert.ok((statuses[status] ?? 0) > 0, `${status}`);
      assert.ok((statuses[200] ?? 0) > bodies / 3);
    });

    it('that are hardly HTTP', async () => {
      const statuses = await fuzzHttp(server.url, { seed, first: 0, count: connections });
      for (const status of [200, 400, 403]) assert.ok((statuses[status] ?? 0) > 0, `${status}`);
    });
  });
}
