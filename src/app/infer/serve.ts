import path from 'node:path';
import { ConfigError } from '../../base/errors.js';
import { ghostsWarning } from '../../models/ghosts.js';
import { describeModel } from '../../models/model-source.js';
import type { RequestBounds } from '../../serving/server/app.js';
import type { Log } from '../../serving/server/log.js';
import { LARGE_SHARE } from '../../serving/server/memory-budget.js';
import type { ModelEntry, RunningServer } from '../../serving/server/server.js';
import { loadModel } from './load-model.js';
import { createMeter } from '../ranks/meters.js';
import type { EngineChoice } from '../../engines/engine-list.js';

/** Settings of a server, with every default filled in. */
export interface ServeSettings {
  /** `path` or `name=path`. */
  readonly models: readonly string[];
  readonly host: string;
  readonly port: number;
  /** Of each model; null: as trained, else 1. */
  readonly ranks: number | null;
  readonly engine: EngineChoice;
  readonly maxBatch: number;
  /** K' of requests that ask for none, of each model; null: all. */
  readonly ghosts: number | null;
  readonly maxDelayMs: number;
  readonly maxQueue: number;
  readonly timeoutMs: number;
  readonly maxBodyMib: number;
  /** Largest answer, in its encoding. */
  readonly maxAnswerMib: number;
  /** Of all bodies, inputs and answers that have not been sent, together; null: 512, or what the
   * largest request needs. */
  readonly maxMemoryMib: number | null;
  /** Names that requests may be addressed to, besides `host`, those of the loopback interface, and
   * the address that a connection came to; `*`: any. */
  readonly allowHosts: readonly string[];
  /** Whether requests without a token may load and unload models. */
  readonly allowControl: boolean;
  readonly token: string | null;
  readonly reloadEveryS: number;
}

/** Loads models and serves them by the Open Inference Protocol, until the server is closed.
 * @throws ConfigError, CheckpointError, NativeError for what cannot be served */
export async function serve(
  settings: ServeSettings,
  version: string,
  log: Log,
): Promise<RunningServer> {
  const { host, port, ranks, engine, maxBatch, ghosts, maxDelayMs, maxQueue, timeoutMs } = settings;
  const options = {
    engine,
    maxBatch,
    ...(ranks === null ? {} : { ranks }),
    ...(ghosts === null ? {} : { ghosts }),
  };
  const warned = new Set<string>();
  const load = async (name: string, folder: string, signal: AbortSignal) => {
    const model = await loadModel(folder, { ...options, signal });
    const warning = ghostsWarning(model.source, model.ghosts);
    if (warning !== null && !warned.has(name)) log.warn({ model: name }, warning);
    warned.add(name);
    return model;
  };
  const models = namedModels(settings.models).map(([name, folder]): ModelEntry => ({
    name,
    load: (signal) => load(name, folder, signal),
    newest: () => describeModel(folder).weights,
  }));
  const meter = await createMeter({ choice: 'auto', machine: 'default', cores: ranks ?? 1 });
  // The HTTP server takes its time to load; who serves has it.
  const { startServer } = await import('../../serving/server/server.js');
  return startServer({
    models,
    host,
    port,
    limits: { maxDelayMs, maxQueue, timeoutMs },
    bounds: boundsOf(settings),
    requestTimeoutMs: timeoutMs + 20_000,
    admission: {
      token: settings.token,
      hosts: [host, ...settings.allowHosts],
      control: settings.allowControl,
    },
    version,
    reloadEveryS: settings.reloadEveryS,
    meter,
    log,
  });
}

/** @throws ConfigError when the largest request does not fit into the memory for all */
function boundsOf(settings: ServeSettings): RequestBounds {
  const { maxBodyMib, maxAnswerMib, timeoutMs } = settings;
  // Bytes of a body may become four times as much, and a part of the memory is for small requests.
  const neededMib = Math.ceil((5 * maxBodyMib + maxAnswerMib) / LARGE_SHARE);
  const maxMemoryMib = settings.maxMemoryMib ?? Math.max(512, neededMib);
  if (maxMemoryMib < neededMib) {
    throw new ConfigError(
      'serve',
      `${maxMemoryMib} MiB for all requests; a body of ${maxBodyMib} MiB and an answer of ` +
        `${maxAnswerMib} MiB need --max-memory-mib ${neededMib}`,
    );
  }
  return {
    maxBodyBytes: maxBodyMib * 2 ** 20,
    maxAnswerBytes: maxAnswerMib * 2 ** 20,
    maxMemoryBytes: maxMemoryMib * 2 ** 20,
    timeoutMs,
  };
}

/** Names and folders; a name that is not given is that of the folder.
 * @throws ConfigError for two models of one name, or a name that is none */
export function namedModels(models: readonly string[]): [string, string][] {
  const named = new Map<string, string>();
  for (const each of models) {
    const [, given, folder = each] = /^([^=/\\]+)=(.+)$/.exec(each) ?? [];
    const name = given ?? path.basename(path.resolve(folder));
    if (!/^[\w.-]{1,128}$/.test(name) || name === '.' || name === '..') {
      throw new ConfigError(
        'serve',
        `${JSON.stringify(name)} is no name of a model; name=path with letters, digits, _ . -`,
      );
    }
    if (named.has(name)) {
      throw new ConfigError('serve', `two models are named ${name}; use name=path`);
    }
    named.set(name, folder);
  }
  return [...named];
}
