// Runs fuzzed requests against a server, and says what none of them may do.
import assert from 'node:assert/strict';
import http from 'node:http';
import type { LoadedModel, NamedAnswer } from 'phantom-parallel';
import { PhantomError } from '#src/base/errors.js';
import type { TableRow } from '#src/data/tables/encode-rows.js';
import { assertNear, inferBody, post, rowsOf } from '../../support/inference-client.js';
import { fuzzedBytes } from './http-bytes.js';
import type { FuzzedRequest } from './infer-bodies.js';
import { RawConnection } from './served.js';

const AT_ONCE = 16;

export interface FuzzRange {
  readonly seed: number;
  readonly first: number;
  readonly count: number;
}

/**
 * Every right request has the model's answer, every wrong one the protocol's error.
 *
 * @param requestOf a seed and an index
 */
export async function fuzzBodies(
  url: string,
  model: LoadedModel,
  { seed, first, count }: FuzzRange,
  requestOf: (seed: number, index: number) => FuzzedRequest,
): Promise<Record<string, number>> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const statuses: Record<string, number> = {};
  await inParallel(first, count, async (index) => {
    const request = requestOf(seed, index);
    const where = `request ${index} of seed ${seed}, ${request.what}`;
    const answer = await send(url, agent, request);
    statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    const { wanted } = request;
    const expected = await expectedOf(wanted, model);
    if (expected !== null) {
      const text = answer.body.toString().slice(0, 300);
      assert.equal(answer.status, 200, `${where}: ${text}`);
      if (expected instanceof Float32Array) assertNear(numbersOf(answer), expected);
      else assertSameAnswers(answer, expected, where);
      return;
    }
    if (answer.status === 200 && wanted.kind === 'either') return;
    assert.ok(answer.status >= 400 && answer.status < 500, `${where}: ${answer.status}`);
    const { error } = JSON.parse(answer.body.toString()) as { error: string };
    assert.ok(error.length > 0 && error.length < 600, `${where}: ${error}`);
  });
  agent.destroy();
  return statuses;
}

/** @returns null: no answer, or any */
async function expectedOf(
  wanted: FuzzedRequest['wanted'],
  model: LoadedModel,
): Promise<Float32Array | readonly NamedAnswer[] | null> {
  if (wanted.kind === 'answer') {
    const { x, ghosts } = wanted;
    return model.predict(x, ghosts === undefined ? {} : { ghosts });
  }
  if (wanted.kind !== 'rows') return null;
  try {
    return await model.predict(wanted.rows as TableRow[], { onWarning: () => {} });
  } catch (error) {
    assert.ok(error instanceof PhantomError, (error as Error).stack);
    return null;
  }
}

/** Batches differ, and so do roundings. */
function assertSameAnswers(
  { body }: Answer,
  expected: readonly NamedAnswer[],
  where: string,
): void {
  const { predictions } = JSON.parse(body.toString()) as { predictions: NamedAnswer[] };
  assert.equal(predictions.length, expected.length, where);
  for (const [i, row] of expected.entries()) {
    const found = predictions[i] ?? {};
    assert.deepEqual(Object.keys(found), Object.keys(row), where);
    for (const [name, value] of Object.entries(row)) {
      const own = found[name];
      if (typeof value !== 'number' || typeof own !== 'number') assert.equal(own, value, where);
      else assert.ok(Math.abs(own - value) <= 1e-5 * Math.max(1, Math.abs(value)), where);
    }
  }
}

/** Whatever a connection says, it ends, with no answer that is the server's fault. */
export async function fuzzHttp(
  url: string,
  { seed, first, count }: FuzzRange,
): Promise<Record<string, number>> {
  const statuses: Record<string, number> = {};
  await inParallel(first, count, async (index) => {
    const { what, bytes, piece } = fuzzedBytes(seed, index);
    const connection = new RawConnection(url);
    for (let from = 0; from < bytes.length; from += piece) {
      // A server that has had enough closes the connection.
      if (connection.socket.destroyed) break;
      void connection.write(bytes.subarray(from, from + piece));
      if (from % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    connection.socket.end();
    const { text } = await connection.answer;
    for (const [, status] of text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)) {
      statuses[status] = (statuses[status] ?? 0) + 1;
      assert.ok(Number(status) < 500, `bytes ${index} of seed ${seed}, ${what}: ${text}`);
    }
  });
  const answer = await post(`${url}/v2/models/m/infer`, inferBody(rowsOf(1)));
  assert.equal(answer.status, 200);
  return statuses;
}

async function inParallel(
  first: number,
  count: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = first;
  const worker = async () => {
    while (next < first + count) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

function send(url: string, agent: http.Agent, fuzzed: FuzzedRequest): Promise<Answer> {
  const { route, headers, body, pieces } = fuzzed;
  const length = pieces === null ? { 'Content-Length': `${body.length}` } : {};
  const options = { method: 'POST', agent, headers: { ...headers, ...length } };
  return new Promise((resolve, reject) => {
    let isAnswered = false;
    const request = http.request(`${url}${route}`, options, (response) => {
      isAnswered = true;
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    request.on('error', (error) => {
      // Of a body that was refused before its end.
      if (!isAnswered) reject(new Error(`${fuzzed.what}: ${error.message}`));
    });
    const step = pieces === null ? body.length : Math.max(pieces, body.length >> 6);
    for (let from = 0; from < body.length; from += step) {
      request.write(body.subarray(from, from + step));
    }
    request.end();
  });
}

function numbersOf({ headers, body }: Answer): ArrayLike<number> {
  const length = headers['inference-header-content-length'];
  if (length === undefined) {
    const { outputs } = JSON.parse(body.toString()) as { outputs: { data: number[] }[] };
    return outputs[0]?.data ?? [];
  }
  const bytes = body.subarray(Number(length));
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}
