// The same attack in two lengths: right requests are answered rightly, wrong ones refused, and none
// hurts.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type LoadedModel, loadModel, type RunningServer, serve } from 'phantom-parallel';
import { temporaryFolder } from '../../support/files.js';
import { trainHouses } from '../../support/houses.js';
import { quietLog, trainServedRun } from '../../support/inference-client.js';
import { SERVE_SETTINGS } from '../../support/serve-settings.js';
import { fuzzBodies, fuzzHttp } from './fuzzing.js';
import { fuzzedRequest } from './infer-bodies.js';
import { namedRequest } from './named-bodies.js';

/** How many of each. */
export interface FuzzCounts {
  /** Requests for inference. */
  readonly bodies: number;
  /** Requests for rows by name. */
  readonly named: number;
  /** Bytes that are almost HTTP. */
  readonly connections: number;
}

export function fuzzSuite({ bodies, named, connections }: FuzzCounts): void {
  const seed = Number(process.env['PHANTOM_TEST_SEED'] ?? 1);
  const cleanup: (() => unknown)[] = [];
  let server: RunningServer;
  let model: LoadedModel;
  let houses: LoadedModel;

  before(async () => {
    const folder = temporaryFolder({ after: (work: () => unknown) => cleanup.push(work) });
    const run = await trainServedRun(folder);
    const settings = { ...SERVE_SETTINGS, ranks: 1, timeoutMs: 60_000, maxQueue: 10_000 };
    const table = await trainHouses(folder);
    server = await serve({ ...settings, models: [`m=${run}`, `h=${table}`], log: quietLog });
    model = await loadModel(run, { engine: 'wasm' });
    houses = await loadModel(table, { engine: 'wasm' });
  });
  after(async () => {
    await server.close(5000);
    await model.close();
    await houses.close();
    for (const work of cleanup) work();
  });

  describe('fuzzed requests', () => {
    it('with bodies for inference', async () => {
      const range = { seed, first: 0, count: bodies };
      const statuses = await fuzzBodies(server.url, model, range, fuzzedRequest);
      for (const status of [200, 400, 413, 415])
        assert.ok((statuses[status] ?? 0) > 0, `${status}`);
      assert.ok((statuses[200] ?? 0) > bodies / 3);
    });

    it('with rows by name', async () => {
      const range = { seed, first: 0, count: named };
      const statuses = await fuzzBodies(server.url, houses, range, namedRequest);
      assert.ok((statuses[200] ?? 0) > named / 2 && (statuses[400] ?? 0) > 0);
    });

    it('that are hardly HTTP', async () => {
      const statuses = await fuzzHttp(server.url, { seed, first: 0, count: connections });
      for (const status of [200, 400, 403]) assert.ok((statuses[status] ?? 0) > 0, `${status}`);
    });
  });
}
