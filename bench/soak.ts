// Load with faults: valid clients whose every answer is checked, among clients that are slow, send
// nonsense, or leave.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadModel } from '#src/app/infer/load-model.js';
import { randomStream } from '#src/tensor/random.js';
import { binaryRequest, makeRun, NETWORK_OPTIONS, startServerProcess } from './served-model.js';

const HELP = `npm run bench -- soak [--json] [--minutes 10] [--clients 32] [--ranks 2] [--width 512] …

Valid requests of 1 to 5 rows at saturation, whose every answer is compared with predict's, among
slow clients, broken and oversize bodies, disconnects, wrong shapes and NaN; the model is loaded
again every 20 seconds. Says what was lost or wrong (nothing may be), and how much memory it took.`;

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

interface Valid {
  readonly body: Buffer;
  readonly headers: Record<string, string>;
  readonly expected: Float32Array;
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
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const run = await makeRun(values);
  const requests = await makeRequests(run.folder, run.features);
  const limits = ['--max-body-mib', '1', '--timeout-ms', '5000'];
  const server = await startServerProcess([`m=${run.folder}`, '--ranks', values.ranks, ...limits]);
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
    (await send(url, { headers }, body)).status;
  const json = (data: unknown, shape = [1, run.features]) =>
    JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape, data }] });
  const ones = Array.from({ length: run.features }, () => 1);
  const nan = binaryRequest(new Float32Array(run.features).fill(Number.NaN), run.features);

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
    fault('load again', 20_000, () => statusOf(`${server.url}/v2/repository/models/m/load`)),
    watch(),
  ]);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const exitCode = await server.end();
  agent.destroy();
  run.remove();

  const settled = memory.slice(Math.floor(memory.length / 4));
  const half = settled.length >> 1;
  const mean = (part: typeof memory) =>
    part.reduce((sum, { residentBytes: bytes }) => sum + bytes, 0) / part.length;
  latencies.sort((a, b) => a - b);
  const report = {
    minutes: Number(values.minutes),
    ...counts,
    requestsPerS: counts.valid / (60 * Number(values.minutes)),
    p99Ms: latencies[Math.floor(0.99 * latencies.length)],
    residentBytes: {
      secondQuarter: mean(settled.slice(0, half)),
      end: mean(settled.slice(half)),
    },
    exitCode,
    failures: [
      ...metrics.matchAll(/^phantom_request_failures_total\{.*reason="(\w+)"\} (\d+)/gm),
    ].map(([, reason, count]) => `${reason} ${count}`),
  };
  const failed = counts.wrong > 0 || counts.lost > 0 || exitCode !== 0;
  if (failed) process.exitCode = 1;
  if (values.json) console.log(JSON.stringify({ ...report, memory }));
  else console.log(JSON.stringify(report, null, 2));
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

interface Response {
  readonly status: number;
  readonly body: Buffer;
  readonly jsonLength: number;
}

async function send(
  url: string,
  options: http.RequestOptions,
  body: Uint8Array | string,
): Promise<Response> {
  return new Promise((resolve) => {
    const request = http.request(url, { method: 'POST', ...options });
    // The status of a connection that broke.
    request.on('error', () => resolve({ status: 0, body: Buffer.alloc(0), jsonLength: 0 }));
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => {});
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks),
          jsonLength: Number(response.headers['inference-header-content-length'] ?? 0),
        }),
      );
    });
    request.end(body);
  });
}

async function statusOf(url: string): Promise<number> {
  return (await send(url, {}, Buffer.from('{}'))).status;
}

function isRight({ body, jsonLength }: Response, expected: Float32Array): boolean {
  const bytes = body.subarray(jsonLength);
  if (bytes.length !== expected.byteLength) return false;
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return expected.every(
    (value, i) => Math.abs(bytes.readFloatLE(4 * i) - value) <= TOLERANCE * largest,
  );
}

/** More than may be, without saying so first. */
async function chunked(url: string): Promise<number | string> {
  return new Promise((resolve) => {
    const request = http.request(url, { method: 'POST' });
    request.on('response', (response) => {
      resolve(response.statusCode ?? 0);
      request.destroy();
    });
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    for (let i = 0; i < 20; i++) request.write(Buffer.alloc(64 << 10, ' '));
  });
}

async function raw(url: string): Promise<net.Socket> {
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

const head = (length: number, more = '') =>
  `POST /v2/models/m/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n${more}\r\n`;

async function cutBody(url: string): Promise<string> {
  const socket = await raw(url);
  socket.write(`${head(500)}{"inputs"`);
  await sleep(10);
  socket.destroy();
  return 'left';
}

async function leave(url: string, { body, headers }: Valid): Promise<string> {
  const socket = await raw(url);
  const [[name, value]] = Object.entries(headers);
  socket.write(head(body.length, `${name}: ${value}\r\n`));
  socket.write(body);
  setImmediate(() => socket.destroy());
  return 'left';
}

/** Sends a byte now and then, until the server has had enough. */
async function slow(url: string): Promise<string> {
  const socket = await raw(url);
  socket.write(head(100_000));
  for (let i = 0; !socket.closed && i < 20; i++) {
    socket.write(' ');
    await sleep(500);
  }
  const outcome = socket.closed ? 'was cut off' : 'left';
  socket.destroy();
  return outcome;
}

function residentBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1]);
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await soakBench(process.argv.slice(2));
}
