// Load with faults: valid clients whose every answer is checked, among clients that are slow, send
// nonsense, or leave.
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { loadModel } from '#src/app/infer/load-model.js';
import { randomStream } from '#src/tensor/random.js';
import {
  changed,
  chunked,
  cutBody,
  largeAnswer,
  leave,
  mortalRank,
  type Response,
  send,
  slow,
  slowReader,
  statusOf,
  type Valid,
} from './soak-faults.js';
import { binaryRequest, makeRun, NETWORK_OPTIONS, startServerProcess } from './served-model.js';

const HELP = `npm run bench -- soak [--json] [--minutes 10] [--clients 32] [--ranks 2] [--width 512] …
  [--results results.json] [--seed 1]

Valid requests of 1 to 5 rows at saturation, whose every answer is compared with predict's, beside
slow senders and slow readers, bodies that are broken, oversize or from a fuzzer, clients that leave,
and requests from web pages. The model is loaded again every 20 seconds, and every minute one of its
ranks dies. Says what was lost or wrong (nothing may be), how long /v2/health/live took, and
how much memory it took. With --results, runs add up in a file.`;

/** Largest difference from predict's answers, whose batches differ: bits depend on the
 * number of columns that BLAS multiplies at once. */
const TOLERANCE = 1e-4;
const REQUESTS = 50;

interface Counts {
  valid: number;
  refused: number;
  wrong: number;
  lost: number;
  readonly faults: Record<string, Record<string, number>>;
}

export async function soakBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...NETWORK_OPTIONS,
      width: { type: 'string', default: '512' },
      ghosts: { type: 'string', default: '16' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      minutes: { type: 'string', default: '10' },
      clients: { type: 'string', default: '32' },
      ranks: { type: 'string', default: '2' },
      results: { type: 'string' },
      seed: { type: 'string', default: '1' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const run = await makeRun(values);
  const requests = await makeRequests(run.folder, run.features);
  const limits = ['--max-body-mib', '1', '--timeout-ms', '5000', '--max-memory-mib', '256'];
  const mortal = mortalRank(run.folder);
  const flags = ['--ranks', values.ranks, '--allow-control', ...limits];
  const server = await startServerProcess([`m=${run.folder}`, ...flags], mortal.env);
  const counts: Counts = { valid: 0, refused: 0, wrong: 0, lost: 0, faults: {} };
  const agent = new http.Agent({ keepAlive: true, maxSockets: Number(values.clients) });
  const url = `${server.url}/v2/models/m/infer`;
  const endMs = Date.now() + 60_000 * Number(values.minutes);
  const running = () => Date.now() < endMs;
  const latencies: number[] = [];

  const client = async (offset: number) => {
    for (let i = offset; running(); i++) {
      const { body, headers, expected } = requests[i % REQUESTS];
      const began = performance.now();
      const answer = await send(url, { agent, headers }, body);
      if (answer.status === 429 || answer.status === 503) {
        counts.refused++;
        await sleep(100);
      } else if (answer.status === 200) {
        counts.valid++;
        latencies.push(performance.now() - began);
        if (!isRight(answer, expected)) counts.wrong++;
      } else counts.lost++;
    }
  };
  const fault = async (name: string, everyMs: number, work: () => Promise<number | string>) => {
    const seen: Record<string, number> = (counts.faults[name] = {});
    while (running()) {
      const outcome = String(await work().catch((error: Error) => error.message));
      seen[outcome] = (seen[outcome] ?? 0) + 1;
      await sleep(everyMs);
    }
  };
  const status = async (body: Uint8Array | string, headers: Record<string, string> = {}) =>
    (await send(url, { headers: { 'Content-Type': 'application/json', ...headers } }, body)).status;
  const json = (data: unknown, shape = [1, run.features]) =>
    JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape, data }] });
  const ones = Array.from({ length: run.features }, () => 1);
  const nan = binaryRequest(new Float32Array(run.features).fill(Number.NaN), run.features);

  const probe = new Worker(new URL('soak-probe.js', import.meta.url), {
    workerData: { url: `${server.url}/v2/health/live`, endMs },
  });
  const answersMs = once(probe, 'message').then(([all]) => all as number[]);
  // Requests come from other machines, in truth: the server and the probe go before their generator.
  os.setPriority(Math.min(os.getPriority() + 10, 19));
  let fuzzed = Number(values.seed) * 1_000_000_000;
  const fuzz = async () => {
    const base = requests[fuzzed % REQUESTS];
    const body = changed(base.body, fuzzed++);
    return status(body, base.headers);
  };
  const large = largeAnswer(run.features);

  const memory: { atS: number; residentBytes: number }[] = [];
  const watch = async () => {
    const began = Date.now();
    while (running()) {
      const atS = (Date.now() - began) / 1000;
      memory.push({ atS, residentBytes: residentBytes(server.pid) });
      await sleep(2000);
    }
  };
  await Promise.all([
    ...Array.from({ length: Number(values.clients) }, (_, i) => client(7 * i)),
    fault('broken JSON', 50, () => status('{"inputs": [')),
    fault('NaN in JSON', 50, () => status(json(ones).replace('1', 'NaN'))),
    fault('NaN in bytes', 50, () => status(nan.body, nan.headers)),
    fault('wrong shape', 50, () => status(json(ones, [1, run.features + 1]))),
    fault('huge shape', 50, () => status(json(ones, [1e12, run.features]))),
    fault('oversize, announced', 300, () => status(Buffer.alloc((1 << 20) + 1, ' '))),
    fault('oversize, in chunks', 300, () => chunked(url)),
    fault('cut body', 50, () => cutBody(server.url)),
    fault('left before the answer', 50, () => leave(server.url, requests[0])),
    ...Array.from({ length: 8 }, (_, i) => fault(`slow client ${i}`, 500, () => slow(server.url))),
    fault('unknown model', 200, () => statusOf(`${server.url}/v2/models/..%2Fetc/infer`)),
    fault('fuzzed bytes', 20, fuzz),
    fault('deep JSON', 200, () => status(`{"id":${'['.repeat(100_000)}`)),
    fault('another Host', 200, () => status(json(ones), { Host: 'evil.example' })),
    fault('another Origin', 200, () => status(json(ones), { Origin: 'http://evil.example' })),
    fault('many rows', 1000, () => status(large.body, large.headers)),
    ...Array.from({ length: 8 }, (_, i) =>
      fault(`slow reader ${i}`, 500, () => slowReader(server.url, large)),
    ),
    fault('a rank dies', 60_000, async () => mortal.kill()),
    fault('load again', 20_000, () => statusOf(`${server.url}/v2/repository/models/m/load`)),
    watch(),
  ]);
  const health = await answersMs;
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const exitCode = await server.end();
  agent.destroy();
  run.remove();

  const settled = memory.slice(Math.floor(memory.length / 4));
  const half = settled.length >> 1;
  const mean = (part: typeof memory) =>
    part.reduce((sum, { residentBytes: bytes }) => sum + bytes, 0) / part.length;
  const quantile = (all: number[], part: number) =>
    all.toSorted((a, b) => a - b)[Math.floor(part * all.length)];
  const report = {
    minutes: Number(values.minutes),
    ...counts,
    requestsPerS: counts.valid / (60 * Number(values.minutes)),
    p99Ms: quantile(latencies, 0.99),
    health: {
      probes: health.length,
      p50Ms: quantile(health, 0.5),
      p99Ms: quantile(health, 0.99),
      mostMs: health.reduce((most, ms) => Math.max(most, ms), 0),
    },
    residentBytes: {
      secondQuarter: mean(settled.slice(0, half)),
      end: mean(settled.slice(half)),
    },
    exitCode,
    failures: [
      ...metrics.matchAll(/^phantom_request_failures_total\{.*reason="(\w+)"\} (\d+)/gm),
    ].map(([, reason, count]) => `${reason} ${count}`),
  };
  if (values.results !== undefined) addUp(values.results, report);
  const failed = counts.wrong > 0 || counts.lost > 0 || exitCode !== 0;
  if (failed) process.exitCode = 1;
  if (values.json) console.log(JSON.stringify({ ...report, memory }));
  else console.log(JSON.stringify(report, null, 2));
}

/** Adds a run to those in a file. */
function addUp(file: string, report: object): void {
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object[]) : [];
  writeFileSync(
    file,
    `${JSON.stringify([...before, { at: new Date().toISOString(), ...report }], null, 2)}\n`,
  );
}

async function makeRequests(folder: string, features: number): Promise<Valid[]> {
  const model = await loadModel(folder);
  const stream = randomStream(5, 'soak');
  const made: Valid[] = [];
  for (let i = 0; i < REQUESTS; i++) {
    const rows = 1 + (i % 5);
    const x = Float32Array.from({ length: rows * features }, (_, k) => stream.normal(1000 * i + k));
    made.push({ ...binaryRequest(x, features), expected: await model.predict(x) });
  }
  await model.close();
  return made;
}

function isRight({ body, jsonLength }: Response, expected: Float32Array): boolean {
  const bytes = body.subarray(jsonLength);
  if (bytes.length !== expected.byteLength) return false;
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return expected.every(
    (value, i) => Math.abs(bytes.readFloatLE(4 * i) - value) <= TOLERANCE * largest,
  );
}

function residentBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1]);
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await soakBench(process.argv.slice(2));
}
