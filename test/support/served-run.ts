// A small run, loaded in this process and served, for the tests of a file.
import { after, before } from 'node:test';
import { loadModel, type LoadedModel, type RunningServer, serve } from 'phantom-parallel';
import { temporaryFolder } from './files.js';
import { call, post, quietLog, trainServedRun } from './inference-client.js';
import { SERVE_SETTINGS } from './serve-settings.js';

/** Beginning with the first test of the file. */
export interface ServedRun {
  readonly folder: string;
  /** In it. */
  readonly run: string;
  readonly model: LoadedModel;
  /** Of the run, as `m` and `n`. */
  readonly server: RunningServer;
  get(route: string): ReturnType<typeof call>;
  send(route: string, body: unknown, headers?: Record<string, string>): ReturnType<typeof post>;
  /** Asks `m`. */
  infer(body: unknown, headers?: Record<string, string>): ReturnType<typeof post>;
}

/** @param isServed whether there is a server; one's own is another */
export function servedRun({ isServed = true } = {}): ServedRun {
  const cleanup: (() => unknown)[] = [];
  const folder = temporaryFolder({ after: (work: () => unknown) => cleanup.push(work) });
  const served = {
    folder,
    get: (route: string) => call(`${served.server.url}${route}`),
    send: (route: string, body: unknown, headers: Record<string, string> = {}) =>
      post(`${served.server.url}${route}`, body, headers),
    infer: (body: unknown, headers: Record<string, string> = {}) =>
      served.send('/v2/models/m/infer', body, headers),
  } as { -readonly [key in keyof ServedRun]: ServedRun[key] };
  before(async () => {
    const run = (served.run = await trainServedRun(folder));
    served.model = await loadModel(run, { engine: 'wasm' });
    cleanup.unshift(() => served.model.close());
    if (!isServed) return;
    const models = [`m=${run}`, `n=${run}`];
    served.server = await serve({ ...SERVE_SETTINGS, ranks: 2, models, log: quietLog });
    cleanup.unshift(() => served.server.close(1000));
  });
  after(async () => {
    for (const work of cleanup) await work();
  });
  return served;
}
