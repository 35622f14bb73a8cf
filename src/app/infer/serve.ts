import path from 'node:path';
import { ConfigError } from '../../base/errors.js';
import { eachOnce } from '../../base/each-once.js';
import { packageVersion } from '../../base/version.js';
import { ghostsWarning } from '../../models/ghosts.js';
import { describeModel } from '../../models/model-source.js';
import type { RequestBounds } from '../../serving/server/answering.js';
import type { Log } from '../../serving/server/log.js';
import { LARGE_SHARE } from '../../serving/server/memory-budget.js';
import type { ModelEntry, RunningServer } from '../../serving/server/server.js';
import { loadModel } from './load-model.js';
import type { Bind } from '../ranks/binding.js';
import { createMeter } from '../ranks/meters.js';
import type { EngineChoice } from '../../engines/engine-list.js';
import type { Dtype } from '../../tensor/tensor.js';

/** What `serve` serves, and how. */
export interface ServeOptions {
  /** Folders of models, or `name=folder`; a name that is not given is that of the folder. */
  readonly models: readonly string[];
  /** Of runs: `best`, `last`, `step-100` or a path. Default null: the best by validation, or the
   * last where nothing was validated. */
  readonly checkpoint?: string | null;
  /** Address to listen on. Default `127.0.0.1`: this machine only. */
  readonly host?: string;
  /** TCP port; 0: any that is free. Default 8000. */
  readonly port?: number;
  /** Worker threads of each model; they divide its blocks. Default null: as trained, else 1. */
  readonly ranks?: number | null;
  /** Default `auto`. */
  readonly engine?: EngineChoice;
  /** What products take. Default null: as each network was trained. */
  readonly compute?: Dtype | null;
  /** Where threads run: `auto` keeps each rank on one NUMA node. Default null: as each network was
   * trained, else `auto`. */
  readonly bind?: Bind | null;
  /** Most rows of a batch. Default 64. */
  readonly maxBatch?: number;
  /** K' of requests that ask for none, of each model. Default null: all. */
  readonly ghosts?: number | null;
  /** How long a row may wait for others to share its batch, in ms; 0: only while ranks are busy.
   * Default 0. */
  readonly maxDelayMs?: number;
  /** Rows that may wait; more are refused with status 429. Default 4096. */
  readonly maxQueue?: number;
  /** Longest time from arrival to answer, in ms. Default 10 000. */
  readonly timeoutMs?: number;
  /** Largest request, in MiB. Default 16. */
  readonly maxBodyMib?: number;
  /** Largest answer in its encoding, in MiB. Default 64. */
  readonly maxAnswerMib?: number;
  /** Of all bodies, inputs and answers that have not been sent, together, in MiB. Default null: 512,
   * or what the largest request needs. */
  readonly maxMemoryMib?: number | null;
  /** Names that requests may be addressed to, besides `host`, those of the loopback interface, and
   * the address that a connection came to; `*`: any. Default none. */
  readonly allowHosts?: readonly string[];
  /** Whether requests without a token may load and unload models. Default false. */
  readonly allowControl?: boolean;
  /** Bearer token that every request but those for health has to carry. Default null: none. */
  readonly token?: string | null;
  /** Seconds between looks for newer checkpoints; 0: only when `reload` is called. Default 0. */
  readonly reloadEveryS?: number;
  /** Takes log lines, as a pino logger does. Default: they are dropped. */
  readonly log?: Log;
}

const DEFAULTS: Required<Omit<ServeOptions, 'models'>> = {
  checkpoint: null,
  host: '127.0.0.1',
  port: 8000,
  ranks: null,
  engine: 'auto',
  compute: null,
  bind: null,
  maxBatch: 64,
  ghosts: null,
  maxDelayMs: 0,
  maxQueue: 4096,
  timeoutMs: 10_000,
  maxBodyMib: 16,
  maxAnswerMib: 64,
  maxMemoryMib: null,
  allowHosts: [],
  allowControl: false,
  token: null,
  reloadEveryS: 0,
  log: { info() {}, warn() {}, error() {} },
};

/**
 * Loads models and serves them by the Open Inference Protocol, until the server is closed.
 *
 * @returns the running server: its `url`, `reload` and `close`
 * @throws ConfigError, CheckpointError, NativeError for what cannot be served
 *
 * @example
 * ```ts
 * import { serve } from 'phantom-parallel';
 *
 * const server = await serve({ models: ['runs/xor'], port: 0 });
 * const response = await fetch(`${server.url}/v2/models/xor/infer`, {
 *   method: 'POST',
 *   headers: { 'Content-Type': 'application/json' },
 *   body: JSON.stringify({
 *     inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [0, 1] }],
 *   }),
 * });
 * console.log(await response.text());
 * await server.close();
 * ```
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const settings = { ...DEFAULTS, ...options };
  const { checkpoint, host, port, ranks, engine, maxBatch, ghosts, compute, bind } = settings;
  const { maxDelayMs, maxQueue, timeoutMs, log } = settings;
  const loading = {
    checkpoint,
    engine,
    maxBatch,
    ...(ranks === null ? {} : { ranks }),
    ...(ghosts === null ? {} : { ghosts }),
    ...(compute === null ? {} : { compute }),
    ...(bind === null ? {} : { bind }),
  };
  const models = namedModels(settings.models).map(([name, folder]): ModelEntry => {
    // Models are loaded again and again.
    const onWarning = eachOnce((warning) => log.warn({ model: name }, warning));
    return {
      name,
      load: async (signal) => {
        const model = await loadModel(folder, { ...loading, signal, onWarning });
        const warning = ghostsWarning(model.source, model.ghosts);
        if (warning !== null) onWarning(warning);
        return model;
      },
      newest: () => describeModel(folder, checkpoint).weights,
    };
  });
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
    version: packageVersion(),
    reloadEveryS: settings.reloadEveryS,
    meter,
    log,
  });
}

/** @throws ConfigError when the largest request does not fit into the memory for all */
function boundsOf(settings: Required<ServeOptions>): RequestBounds {
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
        `${JSON.stringify(name)} is not a model name; use name=path with letters, digits, _ . -`,
      );
    }
    if (named.has(name)) {
      throw new ConfigError('serve', `two models are named ${name}; use name=path`);
    }
    named.set(name, folder);
  }
  return [...named];
}
