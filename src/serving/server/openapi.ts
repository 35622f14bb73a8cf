import { OpenAPIHono, z } from '@hono/zod-openapi';
import {
  error,
  serverMetadata,
  modelMetadata,
  inferRequest,
  inferResponse,
  predictRequest,
  predictResponse,
  index,
  live,
  ready,
  modelReady,
} from './openapi-bodies.js';
import { INPUT, LABEL, OUTPUT } from './protocol-names.js';

type Route = Parameters<OpenAPIHono['openAPIRegistry']['registerPath']>[0];

const model = z.object({ model: z.string() });
const versioned = model.extend({ version: z.string() });

const ok = { 200: { description: 'Yes.' } };
const json = (schema: z.ZodType, description: string) => ({
  200: { description, content: { 'application/json': { schema } } },
});
const failures = (...statuses: readonly number[]) =>
  Object.fromEntries(
    statuses.map((status) => [
      status,
      { description: WHY[status] ?? '', content: { 'application/json': { schema: error } } },
    ]),
  );
const WHY: Readonly<Record<number, string>> = {
  400: 'The request is wrong, or its answer not finite; the message says what.',
  401: 'The bearer token is missing or wrong.',
  403: 'The request is addressed to another server, comes from a web page, or may not load models.',
  404: 'There is no such model or version.',
  413: 'The body or its answer is too large.',
  415: 'The body is of another type, or in an encoding other than gzip and deflate.',
  429: 'Too many rows wait; try again after Retry-After seconds.',
  503: 'Not ready, overloaded or shutting down; try again after Retry-After seconds.',
};

/** A route of a model, without and with its version. */
function forModel(route: Omit<Route, 'path'>, rest: string): Route[] {
  const request = route.request ?? {};
  return [
    { ...route, path: `/v2/models/{model}${rest}`, request: { ...request, params: model } },
    {
      ...route,
      path: `/v2/models/{model}/versions/{version}${rest}`,
      request: { ...request, params: versioned },
    },
  ];
}

const binary = z.string().openapi({
  format: 'binary',
  description: 'JSON of Inference-Header-Content-Length bytes, then the tensor, little-endian.',
});
const named = (schema: z.ZodType) => ({ 'application/json': { schema } });
const both = (schema: z.ZodType) => ({
  'application/json': { schema },
  'application/octet-stream': { schema: binary },
});

const ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/v2/health/live',
    summary: 'Whether the server runs',
    responses: json(live, 'Yes.'),
  },
  {
    method: 'get',
    path: '/v2/health/ready',
    summary: 'Whether every model answers',
    responses: { ...json(ready, 'Yes.'), ...failures(403, 503) },
  },
  {
    method: 'get',
    path: '/v2',
    summary: 'The server',
    responses: { ...json(serverMetadata, 'Name, version, extensions.'), ...failures(401, 403) },
  },
  ...forModel(
    {
      method: 'get',
      summary: 'A model',
      responses: { ...json(modelMetadata, 'Its tensors.'), ...failures(401, 403, 404, 503) },
    },
    '',
  ),
  ...forModel(
    {
      method: 'get',
      summary: 'Whether a model answers',
      responses: { ...json(modelReady, 'Yes.'), ...failures(401, 403, 404, 503) },
    },
    '/ready',
  ),
  ...forModel(
    {
      method: 'get',
      summary: 'The columns of a model of a table: kinds, ranges, categories and classes',
      responses: {
        ...json(z.record(z.string(), z.unknown()), 'As schema.json in its folder.'),
        ...failures(401, 403, 404, 503),
      },
    },
    '/schema',
  ),
  ...forModel(
    {
      method: 'post',
      summary: 'Answers rows',
      request: { body: { content: both(inferRequest), required: true } },
      responses: {
        200: { description: 'The answers, a row each.', content: both(inferResponse) },
        ...failures(400, 401, 403, 404, 413, 415, 429, 503),
      },
    },
    '/infer',
  ),
  ...forModel(
    {
      method: 'post',
      summary: 'Answers rows by the names of their columns, for a model of a table',
      request: { body: { content: named(predictRequest), required: true } },
      responses: {
        ...json(predictResponse, 'The answers by name, a row each.'),
        ...failures(400, 401, 403, 404, 413, 415, 429, 503),
      },
    },
    '/predict',
  ),
  {
    method: 'post',
    path: '/predict',
    summary: 'The same, where one model is served',
    request: { body: { content: named(predictRequest), required: true } },
    responses: {
      ...json(predictResponse, 'The answers by name, a row each.'),
      ...failures(400, 401, 403, 404, 413, 415, 429, 503),
    },
  },
  {
    method: 'post',
    path: '/v2/repository/index',
    summary: 'All models',
    responses: { ...json(index, 'Names and states.'), ...failures(400, 401, 403) },
  },
  {
    method: 'post',
    path: '/v2/repository/models/{model}/load',
    summary: 'Loads a model, or its newest checkpoint, without dropping a request',
    request: { params: model },
    responses: { ...ok, ...failures(400, 401, 403, 404, 503) },
  },
  {
    method: 'post',
    path: '/v2/repository/models/{model}/unload',
    summary: 'Answers requests that have arrived, then unloads the model',
    request: { params: model },
    responses: { ...ok, ...failures(400, 401, 403, 404, 503) },
  },
  {
    method: 'get',
    path: '/',
    summary: 'A page of the models, with a form to try a row',
    responses: { 200: { description: 'HTML, without data.' }, ...failures(403) },
  },
  {
    method: 'get',
    path: '/metrics',
    summary: 'Prometheus metrics',
    responses: {
      200: { description: 'Text.', content: { 'text/plain': { schema: z.string() } } },
      ...failures(401, 403),
    },
  },
  {
    method: 'get',
    path: '/openapi.json',
    summary: 'This document',
    responses: { 200: { description: 'OpenAPI 3.1.' }, ...failures(401, 403) },
  },
];

/** The server's routes as an OpenAPI 3.1 document. */
export function openApiDocument(version: string): object {
  const app = new OpenAPIHono();
  for (const route of ROUTES) app.openAPIRegistry.registerPath(route);
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'phantom serve',
      version,
      description:
        'The Open Inference Protocol (KServe V2 REST) with the extensions for binary tensors and ' +
        `the model repository. Every model has the input ${INPUT} and the output ${OUTPUT}; one of a ` +
        `table also takes its columns by name, and a classifier gives ${LABEL}, the names.`,
      license: { name: 'MIT' },
    },
  });
}
