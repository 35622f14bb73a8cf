import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import type { EnergyMeter } from '../../energy/meter.js';
import type { AdmissionOptions } from './admission.js';
import type { RequestBounds } from './answering.js';
import { createApp } from './app.js';
import type { BatchEvent, BatcherLimits } from './batcher.js';
import { Drain } from './drain.js';
import { listen } from './listen.js';
import type { Log } from './log.js';
import { createMetrics } from './metrics.js';
import { ServedModel } from './served-model.js';
import { flushSpans } from './tracing.js';
import type { LoadedModel } from '../loaded-model.js';

/** A model to serve. */
export interface ModelEntry {
  readonly name: string;
  readonly load: (signal: AbortSignal) => Promise<LoadedModel>;
  /** Names what is newest at its path, without loading it. */
  readonly newest: () => string;
}

export interface ServerOptions {
  readonly models: readonly ModelEntry[];
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly limits: BatcherLimits;
  readonly bounds: RequestBounds;
  /** Longest time that a request may take to arrive. */
  readonly requestTimeoutMs: number;
  readonly admission: AdmissionOptions;
  /** Of the package. */
  readonly version: string;
  /** How often each model's path is looked at for something newer; 0: never. */
  readonly reloadEveryS: number;
  /** Closed with the server. */
  readonly meter: EnergyMeter;
  readonly log: Log;
}

/** A server that `serve` has started. */
export interface RunningServer {
  readonly url: string;
  readonly models: readonly { readonly name: string }[];
  /** Loads every model of which something newer is there. */
  reload(): Promise<void>;
  /**
   * Answers what has been asked and what still arrives, takes no more connections once nothing
   * arrives any more, and ends every rank.
   *
   * @param withinMs then connections are cut, and ranks ended as they are; default 30 000
   */
  close(withinMs?: number): Promise<void>;
}

const MOST_CONNECTIONS = 4096;
const KEEP_ALIVE_MS = 65_000;
const DRAIN_MS = 30_000;
const SAMPLE_MS = 1000;

/**
 * Loads the models and serves them.
 *
 * @throws what loading a model throws; ConfigError when the address cannot be listened on
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { log, limits, meter } = options;
  const models = new Map<string, ServedModel>();
  const metrics = createMetrics(() => [...models.values()], meter);
  meter.begin('serve');
  for (const { name, load, newest } of options.models) {
    const onBatch = (event: BatchEvent) => metrics.batch(name, event);
    models.set(name, new ServedModel({ name, load, newest, limits, onBatch, log }));
  }
  const all = [...models.values()];
  const { bounds, admission, version } = options;
  let drain: Drain | null = null;
  const draining = () => drain?.hasBegun ?? false;
  const app = createApp({ models, version, metrics, bounds, admission, log, draining });
  const server = createAdaptorServer({
    fetch: app.fetch,
    // It would close the connection of a body that is still under way half a second after its answer,
    // whoever sends the next request there meanwhile.
    autoCleanupIncoming: false,
    serverOptions: {
      requestTimeout: options.requestTimeoutMs,
      headersTimeout: Math.min(10_000, options.requestTimeoutMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 1000,
    },
  }) as Server;
  server.maxConnections = MOST_CONNECTIONS;
  // Each request listens for the end of its connection, and a connection may have many.
  server.on('connection', (socket: Socket) => socket.setMaxListeners(0));
  // What comes of a body after its answer is thrown away, for as long as a request may take to arrive.
  server.on('request', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    outgoing.once('finish', () => incoming.resume());
  });
  const ending = new Drain(server);
  drain = ending;
  let address: string;
  try {
    for (const model of all) await model.load();
    address = await listen(server, { where: 'serve', host: options.host, port: options.port });
  } catch (error) {
    await Promise.all(all.map((model) => model.close(0)));
    throw error;
  }
  const reload = async () => {
    for (const model of all) await model.refresh();
  };
  const sampling = setInterval(() => meter.sample(), SAMPLE_MS);
  const { reloadEveryS } = options;
  const timer = reloadEveryS > 0 ? setInterval(() => void reload(), 1000 * reloadEveryS) : null;
  return {
    url: address,
    models: all,
    reload,
    async close(withinMs = DRAIN_MS) {
      const endMs = performance.now() + withinMs;
      if (timer !== null) clearInterval(timer);
      await ending.finish(withinMs);
      clearInterval(sampling);
      const leftMs = Math.max(0, endMs - performance.now());
      await Promise.all(all.map((model) => model.close(leftMs)));
      meter.close();
      await flushWithin(Math.max(0, endMs - performance.now()), options.log);
    },
  };
}

/** Spans of the last requests must not be lost with the process, nor hold it up. */
async function flushWithin(withinMs: number, log: Log): Promise<void> {
  const flushing = flushSpans().catch((error: unknown) => {
    log.warn({ error: String(error) }, 'the last spans were not sent');
  });
  await within(flushing, withinMs);
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
