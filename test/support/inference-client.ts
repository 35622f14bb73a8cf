// A small run to serve, and a client of its server.
import assert from 'node:assert/strict';
import path from 'node:path';
import { train } from 'phantom-parallel';

export const FEATURES = 12;
export const OUTPUTS = 5;
export const quietLog = { info() {}, warn() {}, error() {} };

/** Trains a network of 12 features and 5 outputs for 4 steps, with checkpoints at 2 and 4. */
export async function trainServedRun(folder: string): Promise<string> {
  const out = path.join(folder, 'run');
  await train({
    strategy: 'phantom',
    width: 16,
    blocks: 2,
    ghosts: 2,
    ranks: 1,
    engine: 'wasm',
    data: `synthetic:teacher?widths=${FEATURES},16,${OUTPUTS}`,
    steps: 4,
    checkpointEvery: 2,
    batch: 8,
    out,
  });
  return out;
}

export const rowsOf = (rows: number, seed = 0) =>
  Float32Array.from({ length: rows * FEATURES }, (_, i) => Math.fround(Math.sin(i + 100 * seed)));

export interface Body {
  readonly [key: string]: unknown;
}
export function inferBody(x: Float32Array, more: Body = {}, input: Body = {}): Body {
  const shape = [x.length / FEATURES, FEATURES];
  return { ...more, inputs: [{ name: 'x', datatype: 'FP32', shape, data: [...x], ...input }] };
}

export interface Output {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: number[];
}
export const answerOf = (json: unknown) => (json as { outputs: Output[] }).outputs[0];

export async function call(url: string, init: RequestInit = {}) {
  const response = await fetch(url, init);
  const text = await response.text();
  const json = text === '' ? null : (JSON.parse(text) as Record<string, unknown>);
  return { status: response.status, json, headers: response.headers, text };
}

export const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  call(url, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });

export function assertNear(actual: ArrayLike<number>, expected: Float32Array): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of expected.entries()) {
    assert.ok(Math.abs((actual[i] ?? Number.NaN) - value) < 1e-5, `${i}`);
  }
}
