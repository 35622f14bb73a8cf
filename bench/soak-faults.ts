// What a server is tormented with while it is soaked.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { randomStream } from '#src/tensor/random.js';

/** A request and its answer. */
export interface Valid {
  readonly body: Buffer;
  readonly headers: Record<string, string>;
  readonly expected: Float32Array;
}

export interface Response {
  readonly status: number;
  readonly body: Buffer;
  readonly jsonLength: number;
}

export async function send(
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

export async function statusOf(url: string): Promise<number> {
  const headers = { 'Content-Type': 'application/json' };
  return (await send(url, { headers }, Buffer.from('{}'))).status;
}

/** More than may be, without saying so first. */
export async function chunked(url: string): Promise<number | string> {
  return new Promise((resolve) => {
    const headers = { 'Content-Type': 'application/json' };
    const request = http.request(url, { method: 'POST', headers });
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

export async function cutBody(url: string): Promise<string> {
  const socket = await raw(url);
  socket.write(`${head(500, 'Content-Type: application/json\r\n')}{"inputs"`);
  await sleep(10);
  socket.destroy();
  return 'left';
}

export async function leave(url: string, { body, headers }: Valid): Promise<string> {
  const socket = await raw(url);
  const [[name, value]] = Object.entries(headers);
  socket.write(head(body.length, `${name}: ${value}\r\n`));
  socket.write(body);
  setImmediate(() => socket.destroy());
  return 'left';
}

/** Sends a byte now and then, until the server has had enough. */
export async function slow(url: string): Promise<string> {
  const socket = await raw(url);
  socket.write(head(100_000, 'Content-Type: application/json\r\n'));
  for (let i = 0; !socket.closed && i < 20; i++) {
    socket.write(' ');
    await sleep(500);
  }
  const outcome = socket.closed ? 'was cut off' : 'left';
  socket.destroy();
  return outcome;
}

/** Lets the last rank of a server die when it is asked to: a module that every thread loads sees to it. */
export function mortalRank(folder: string) {
  const module = path.join(folder, 'mortal.mjs');
  const trigger = path.join(folder, 'die');
  writeFileSync(
    module,
    `import { rmSync } from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';
if (!isMainThread && workerData?.rank === workerData?.phantomGroup?.size - 1) {
  const { wait } = Atomics;
  Atomics.wait = (...args) => {
    const outcome = wait(...args);
    try {
      rmSync(${JSON.stringify(trigger)});
    } catch {
      return outcome;
    }
    throw new Error('killed by the soak');
  };
}
`,
  );
  return {
    env: { NODE_OPTIONS: `--import ${module}` },
    kill(): string {
      writeFileSync(trigger, '');
      return 'killed';
    },
  };
}

/** A request with one to four bytes that are others. */
export function changed(body: Buffer, seed: number): Buffer {
  const stream = randomStream(seed, 'changed bytes');
  const bytes = Buffer.from(body);
  const count = 1 + Math.floor(4 * stream.uniform(0));
  for (let i = 0; i < count; i++) {
    const at = Math.floor(bytes.length * stream.uniform(2 * i + 1));
    bytes[at] = Math.floor(256 * stream.uniform(2 * i + 2));
  }
  return bytes;
}

/** As many rows as fit into a body, compressed, whose answer is JSON. */
export function largeAnswer(features: number): Omit<Valid, 'expected'> {
  const rows = Math.floor((1 << 20) / features) - 100;
  const parameters = { binary_data_size: rows * features };
  const json = JSON.stringify({
    inputs: [{ name: 'x', datatype: 'UINT8', shape: [rows, features], parameters }],
  });
  const body = gzipSync(Buffer.concat([Buffer.from(json), Buffer.alloc(rows * features, 1)]));
  const length = { 'Inference-Header-Content-Length': String(json.length) };
  return { body, headers: { ...length, 'Content-Encoding': 'gzip' } };
}

/** Asks for large answers and takes hardly any of them. */
export async function slowReader(
  url: string,
  { body, headers }: Omit<Valid, 'expected'>,
): Promise<string> {
  const socket = await raw(url);
  socket.pause();
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  for (let i = 0; i < 4; i++) {
    socket.write(head(body.length, lines.join('')));
    socket.write(body);
  }
  for (let i = 0; !socket.closed && i < 20; i++) {
    socket.read(1);
    await sleep(500);
  }
  const outcome = socket.closed ? 'was cut off' : 'left';
  socket.destroy();
  return outcome;
}
