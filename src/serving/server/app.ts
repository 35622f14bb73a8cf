import { createHash, timingSafeEqual } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { BodyReader } from './body.js';
import type { Log } from './log.js';
import type { ServerMetrics } from './metrics.js';
import { badRequest, type FailureReason, ProtocolError } from './protocol-error.js';
import { ServedModel } from './served-model.js';
import { formatInferResponse, INPUT, OUTPUT, parseInferRequest } from './tensors.js';

export const EXTENSIONS = ['binary_tensor_data', 'model_repository'] as const;
const JSON_LENGTH = 'Inference-Header-Content-Length';

export interface AppOptions {
  /** By name: a name in an address is looked up here and nowhere else. */
  readonly models: ReadonlyMap<string, ServedModel>;
  readonly version: string;
  readonly metrics: ServerMetrics;
  readonly maxBodyBytes: number;
  /** What a request has to carry, apart from those for health; null: nothing. */
  readonly token: string | null;
  readonly log: Log;
  /** Whether the server is about to end: it is not ready, and connections end with their answer. */
  readonly draining: () => boolean;
}

interface Env {
  Bindings: HttpBindings;
  Variables: { failure: FailureReason };
}

/** Both forms of a model's address. */
function modelPaths<Rest extends string>(rest: Rest) {
  return [`/v2/models/:model${rest}`, `/v2/models/:model/versions/:version${rest}`] as const;
}

/**
 * The Open Inference Protocol (KServe V2 REST), with the extensions for binary tensors and the
 * model repository, and beside it `/metrics` and `/openapi.json`.
 */
export function createApp(options: AppOptions): Hono<Env> {
  const { models, metrics, log, draining } = options;
  const bodies = new BodyReader(options.maxBodyBytes);
  const app = new Hono<Env>();

  app.use(async (c, next) => {
    await next();
    if (draining()) c.res.headers.set('Connection', 'close');
  });
  if (options.token !== null) app.use(bearer(options.token));

  const find = (c: Context<Env>): ServedModel => {
    const name = c.req.param('model') ?? '';
    const model = models.get(name);
    if (model !== undefined) return model;
    throw new ProtocolError('not_found', `no model is named ${JSON.stringify(name.slice(0, 80))}`);
  };
  const versionIn = (c: Context<Env>): string | null => c.req.param('version') ?? null;

  app.get('/v2/health/live', (c) => c.json({ live: true }));
  app.get('/v2/health/ready', (c) => {
    if (draining()) throw new ProtocolError('unavailable', 'the server is shutting down');
    for (const model of models.values()) model.current(null);
    return c.json({ live: true, ready: true });
  });
  app.on('GET', ['/v2', '/v2/'], (c) =>
    c.json({ name: 'phantom-parallel', version: options.version, extensions: EXTENSIONS }),
  );
  app.on('GET', [...modelPaths('/ready')], (c) => {
    const served = find(c);
    served.current(versionIn(c));
    return c.json({ name: served.name, ready: true });
  });
  app.on('GET', [...modelPaths('')], (c) => {
    const served = find(c);
    const model = served.current(versionIn(c));
    return c.json({
      name: served.name,
      versions: [ServedModel.versionOf(model)],
      platform: 'phantom_parallel',
      inputs: [{ name: INPUT, datatype: 'FP32', shape: [-1, model.features] }],
      outputs: [{ name: OUTPUT, datatype: 'FP32', shape: [-1, model.outputs] }],
    });
  });

  app.on('POST', [...modelPaths('/infer')], async (c) => {
    const served = find(c);
    const version = versionIn(c);
    served.current(version);
    const body = await bodies.read(c.env.incoming);
    const arrived = performance.now();
    // What answers now: it may have been loaded while the body was read.
    const current = served.current(version);
    const request = parseInferRequest(body, c.req.header(JSON_LENGTH), current);
    const { x, rows, ghosts = current.ghosts } = request;
    const left = new AbortController();
    const leave = () => left.abort();
    c.env.outgoing.once('close', leave);
    const answer = await served.infer(x, rows, ghosts, version, left.signal);
    c.env.outgoing.off('close', leave);
    const { body: text, jsonLength } = formatInferResponse(
      { model: served.name, version: answer.version, ghosts, y: answer.y },
      request,
    );
    const totalS = (performance.now() - arrived) / 1000;
    metrics.request(served.name, answer.queueS, answer.computeS, totalS, rows);
    if (jsonLength === null) {
      return c.body(text as string, 200, { 'Content-Type': 'application/json' });
    }
    return c.body(text as Buffer<ArrayBuffer>, 200, {
      'Content-Type': 'application/octet-stream',
      [JSON_LENGTH]: String(jsonLength),
    });
  });

  app.post('/v2/repository/index', async (c) => {
    const { ready = false } = await readObject(bodies, c.env.incoming);
    const all = [...models.values()].map((model) => ({
      name: model.name,
      ...(model.ready ? { version: ServedModel.versionOf(model.current(null)) } : {}),
      state: model.ready ? 'READY' : 'UNAVAILABLE',
      reason: model.reason,
    }));
    return c.json(ready === true ? all.filter(({ state }) => state === 'READY') : all);
  });
  app.post('/v2/repository/models/:model/load', async (c) => {
    const model = find(c);
    const { parameters = {} } = await readObject(bodies, c.env.incoming);
    if (Object.keys(parameters as object).length > 0) {
      throw badRequest('a model is loaded from the path the server was started with');
    }
    try {
      await model.load();
      metrics.reload(model.name, true);
    } catch (error) {
      metrics.reload(model.name, false);
      throw badRequest(`${model.name} was not loaded: ${(error as Error).message}`);
    }
    return c.body('', 200);
  });
  app.post('/v2/repository/models/:model/unload', async (c) => {
    const model = find(c);
    await readObject(bodies, c.env.incoming);
    await model.unload();
    return c.body('', 200);
  });

  app.get('/metrics', async (c) =>
    c.body(await metrics.text(), 200, { 'Content-Type': metrics.contentType }),
  );
  app.get('/openapi.json', async (c) => {
    const { openApiDocument } = await import('./openapi.js');
    return c.json(openApiDocument(options.version));
  });

  app.notFound((c) => {
    metrics.failure('', 'not_found');
    return c.json({ error: `${c.req.method} ${c.req.path.slice(0, 200)} is no route` }, 404);
  });
  app.onError((error, c) => {
    const failure =
      error instanceof ProtocolError ? error : new ProtocolError('internal', 'internal error');
    const { reason, status, message } = failure;
    const name = c.req.param('model') ?? '';
    metrics.failure(models.has(name) ? name : '', reason);
    const line = { reason, method: c.req.method, path: c.req.path.slice(0, 200), status };
    if (reason === 'internal')
      log.error({ ...line, error: error.stack ?? error.message }, 'failed');
    else log.info({ ...line, error: message }, 'refused');
    if (failure.retryable) c.header('Retry-After', '1');
    if (reason === 'unauthorized') c.header('WWW-Authenticate', 'Bearer');
    if (draining()) c.header('Connection', 'close');
    return c.json({ error: message }, status as 400);
  });
  return app;
}

/** A body that may be missing. */
async function readObject(
  bodies: BodyReader,
  incoming: HttpBindings['incoming'],
): Promise<Record<string, unknown>> {
  const body = await bodies.read(incoming);
  if (body.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw badRequest('the request is not JSON');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw badRequest('the request is not an object');
}

/** Compares hashes: the time tells neither the token's length nor how much of it was right. */
function bearer(token: string) {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const wanted = digest(`Bearer ${token}`);
  return async (c: Context<Env>, next: () => Promise<void>): Promise<void> => {
    const isHealth = c.req.path.startsWith('/v2/health/');
    if (!isHealth && !timingSafeEqual(digest(c.req.header('Authorization') ?? ''), wanted)) {
      throw new ProtocolError('unauthorized', 'a bearer token is needed, and this is not it');
    }
    await next();
  };
}
