import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { classNames } from '../../data/tables/schema.js';
import { Admission, type AdmissionOptions } from './admission.js';
import { BodyReader } from './body.js';
import { answerRequest, type RequestBounds, sendingOf } from './answering.js';
import type { AnsweringModel } from './asked.js';
import { datatypeOf } from './column-tensors.js';
import { InferBody } from './infer-request.js';
import { INPUT, JSON_LENGTH, LABEL, OUTPUT } from './protocol-names.js';
import { JsonReader } from './json-reader.js';
import type { Log } from './log.js';
import { MemoryBudget, type MemoryLease } from './memory-budget.js';
import type { ServerMetrics } from './metrics.js';
import { NamedRowsBody } from './named-rows.js';
import { badRequest, type FailureReason, ProtocolError } from './protocol-error.js';
import { ServedModel } from './served-model.js';
import { sendAnswer } from './sending.js';
import { PAGE_HEADERS, readPage } from './model-page.js';
import { WorkSlices } from './work-slices.js';

export const EXTENSIONS = ['binary_tensor_data', 'model_repository'] as const;
/** Of a request that is none for inference. */
const MOST_CONTROL_BYTES = 1 << 16;
const ROWS_BLOCK_BYTES = 1 << 14;

export interface AppOptions {
  /** By name: a name in an address is looked up here and nowhere else. */
  readonly models: ReadonlyMap<string, ServedModel>;
  readonly version: string;
  readonly metrics: ServerMetrics;
  readonly bounds: RequestBounds;
  readonly admission: AdmissionOptions;
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
 * model repository, and beside it a page at `/`, `/metrics` and `/openapi.json`.
 */
export function createApp(options: AppOptions): Hono<Env> {
  const { models, metrics, log, draining, bounds } = options;
  const { maxBodyBytes, maxMemoryBytes } = bounds;
  const admission = new Admission(options.admission);
  const memory = new MemoryBudget(maxMemoryBytes);
  const slices = new WorkSlices();
  // One copy for all who ask: whoever reads slowly holds no memory of its own.
  const html = readPage();
  const bodies = new BodyReader(maxBodyBytes, slices);
  // Rows by name take longer to read than numbers.
  const rowBodies = new BodyReader(maxBodyBytes, slices, ROWS_BLOCK_BYTES);
  const control = new BodyReader(MOST_CONTROL_BYTES, slices);
  const means = { bodies, memory, slices, bounds, metrics, draining };
  const app = new Hono<Env>();

  app.use(async (c, next) => {
    const { incoming } = c.env;
    admission.check(incoming);
    admission.checkType(incoming);
    await next();
    if (draining() && !c.env.outgoing.headersSent) c.res.headers.set('Connection', 'close');
  });

  /** A body that may be missing. */
  const readObject = async (c: Context<Env>): Promise<Record<string, unknown>> => {
    const lease = memory.lease();
    try {
      const json = new JsonReader({ features: 1 }, lease);
      let bytes = 0;
      const push = (block: Buffer) => {
        bytes += block.length;
        json.push(block);
      };
      await control.read(c.env.incoming, { push }, lease);
      const value = bytes === 0 ? {} : json.end();
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
        return value as Record<string, unknown>;
      }
      throw badRequest('the request is not an object');
    } finally {
      lease.release();
    }
  };
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
  app.get('/', async (c) => {
    const type = 'text/html; charset=utf-8';
    const headers = { ...PAGE_HEADERS, 'Content-Type': type, 'Content-Length': html.length };
    await sendAnswer(
      c.env.outgoing,
      { headers, bytes: html.length, pieces: [html] },
      sendingOf(means),
    );
    return RESPONSE_ALREADY_SENT;
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
    const { columns } = served.answering(versionIn(c));
    const inputs = (columns?.features ?? []).map(({ column }) => ({
      name: column.name,
      datatype: datatypeOf(column),
      shape: [-1],
    }));
    const hasLabel = columns !== null && classNames(columns.schema) !== null;
    return c.json({
      name: served.name,
      versions: [ServedModel.versionOf(model)],
      platform: 'phantom_parallel',
      inputs: [{ name: INPUT, datatype: 'FP32', shape: [-1, model.features] }, ...inputs],
      outputs: [
        { name: OUTPUT, datatype: 'FP32', shape: [-1, model.outputs] },
        ...(hasLabel ? [{ name: LABEL, datatype: 'BYTES', shape: [-1] }] : []),
      ],
    });
  });

  app.on('GET', [...modelPaths('/schema')], (c) => {
    const { columns } = find(c).answering(versionIn(c));
    if (columns !== null) return c.json(columns.schema);
    throw new ProtocolError('not_found', 'the model is not of a table: its rows are numbers');
  });

  app.on('POST', [...modelPaths('/infer')], async (c) => {
    const asked = { served: find(c), version: versionIn(c), operation: 'infer' as const };
    const { headers } = c.env.incoming;
    const { 'content-length': length, 'content-encoding': encoding } = headers;
    const jsonLength = headers[JSON_LENGTH.toLowerCase()] as string | undefined;
    const announced = length === undefined || encoding !== undefined ? null : Number(length);
    const bodyOf = (model: AnsweringModel, lease: MemoryLease) =>
      new InferBody({ jsonLength, announced }, model, { lease, slices });
    await answerRequest(c.env, asked, bodyOf, means);
    return RESPONSE_ALREADY_SENT;
  });
  const predict = async (c: Context<Env>, served: ServedModel) => {
    const asked = { served, version: versionIn(c), operation: 'predict' as const };
    const bodyOf = (model: AnsweringModel, lease: MemoryLease) => new NamedRowsBody(model, lease);
    await answerRequest(c.env, asked, bodyOf, { ...means, bodies: rowBodies });
    return RESPONSE_ALREADY_SENT;
  };
  app.on('POST', [...modelPaths('/predict')], (c) => predict(c, find(c)));
  app.post('/predict', (c) => {
    const [only, ...others] = models.values();
    if (only !== undefined && others.length === 0) return predict(c, only);
    const names = [...models.keys()].join(', ');
    throw badRequest(`several models are served, ${names}: POST /v2/models/NAME/predict`);
  });

  app.post('/v2/repository/index', async (c) => {
    const { ready = false } = await readObject(c);
    const all = [...models.values()].map((model) => ({
      name: model.name,
      ...(model.ready ? { version: ServedModel.versionOf(model.current(null)) } : {}),
      state: model.ready ? 'READY' : 'UNAVAILABLE',
      reason: model.reason,
    }));
    return c.json(ready === true ? all.filter(({ state }) => state === 'READY') : all);
  });
  app.post('/v2/repository/models/:model/load', async (c) => {
    admission.checkControl();
    const model = find(c);
    const { parameters } = await readObject(c);
    if (Object.keys(parameters ?? {}).length > 0) {
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
    admission.checkControl();
    const model = find(c);
    await readObject(c);
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
    return c.json({ error: `no such route: ${c.req.method} ${c.req.path.slice(0, 200)}` }, 404);
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
