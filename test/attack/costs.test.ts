// Requests that are small and cost much: each is refused before it is done, and none takes what
// others need.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import zlib from 'node:zlib';
import { type RunningServer, serve, train } from 'phantom-parallel';
import { encodeAnswer } from '#src/serving/server/infer-answer.js';
import { sendAnswer } from '#src/serving/server/sending.js';
import { WorkSlices } from '#src/serving/server/work-slices.js';
import { temporaryFolder } from '../support/files.js';
import { post, quietLog } from '../support/inference-client.js';
import { SERVE_SETTINGS } from '../support/serve-settings.js';
import { RawConnection, rawRequest } from './support/served.js';

/** A row of 2 bytes has an answer of 2 kB. */
const FEATURES = 2;
const OUTPUTS = 512;
const cleanup: (() => unknown)[] = [];
let server: RunningServer;

before(async () => {
  const out = `${temporaryFolder({ after: (work: () => unknown) => cleanup.push(work) })}/run`;
  await train({
    ...({ strategy: 'tensor', width: 8, blocks: 1, ranks: 1, engine: 'wasm', out } as const),
    ...{ data: `synthetic:teacher?widths=${FEATURES},8,${OUTPUTS}`, steps: 1, batch: 4 },
  });
  const settings = { ...SERVE_SETTINGS, models: [`m=${out}`], ranks: 1, maxQueue: 4096 };
  server = await serve({ ...settings, maxAnswerMib: 4, maxMemoryMib: 16, log: quietLog });
});
after(async () => {
  await server.close(1000);
  for (const work of cleanup) work();
});

const route = '/v2/models/m/infer';
/** A request of one byte a number, compressed. */
function compressed(rows: number, binaryOutput: boolean) {
  const bytes = rows * FEATURES;
  const parameters = { binary_data_size: bytes };
  const json = JSON.stringify({
    parameters: { binary_data_output: binaryOutput },
    inputs: [{ name: 'x', datatype: 'UINT8', shape: [rows, FEATURES], parameters }],
  });
  const body = zlib.gzipSync(Buffer.concat([Buffer.from(json), Buffer.alloc(bytes)]));
  const headers = {
    'Content-Encoding': 'gzip',
    'Inference-Header-Content-Length': `${json.length}`,
  };
  return { body, headers };
}
const isWell = async () => {
  const answer = await post(`${server.url}${route}`, {
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1, FEATURES], data: [1, 2] }],
  });
  return answer.status === 200;
};
async function statusOf({ body, headers }: ReturnType<typeof compressed>): Promise<number> {
  const response = await fetch(`${server.url}${route}`, { method: 'POST', body, headers });
  await response.arrayBuffer();
  return response.status;
}

describe('a small request with a large answer', () => {
  it('is refused before its answer has memory', async () => {
    // 1 kB on the wire, whose answer would have 1 GB.
    const large = compressed(500_000, true);
    assert.ok(large.body.length < 2000);
    const response = await fetch(`${server.url}${route}`, { method: 'POST', ...large });
    assert.equal(response.status, 413);
    const { error } = (await response.json()) as { error: string };
    assert.match(error, /500000 rows may have 1024\d* bytes; 4194304 are allowed/);
    assert.ok(await isWell());
  });

  it('is bounded in the encoding that is asked for', async () => {
    // 2 MB as bytes, up to 13 MB as JSON.
    assert.equal(await statusOf(compressed(1000, true)), 200);
    assert.equal(await statusOf(compressed(1000, false)), 413);
    assert.equal(await statusOf(compressed(100, false)), 200);
  });

  it('has whole JSON when it is sent in many pieces', async () => {
    const { body, headers } = compressed(100, false);
    const response = await fetch(`${server.url}${route}`, { method: 'POST', body, headers });
    const { outputs } = (await response.json()) as {
      outputs: { shape: number[]; data: number[] }[];
    };
    assert.deepEqual(outputs[0]?.shape, [100, OUTPUTS]);
    assert.equal(outputs[0]?.data.length, 100 * OUTPUTS);
    assert.ok(outputs[0]?.data.every((value) => Number.isFinite(value)));
  });
});

describe('many at once', () => {
  it(
    'are refused when their answers would not fit into memory, and small ones are not',
    { timeout: 60_000 },
    async () => {
      // Readers that take nothing: 2 MB each wait on the server, beyond what the sockets hold.
      const { body, headers } = compressed(1000, true);
      const text = rawRequest(route, body, headers);
      const connections = Array.from({ length: 40 }, () => new RawConnection(server.url));
      for (const connection of connections) {
        connection.socket.pause();
        await connection.write(Buffer.concat([text, text, text, text]));
      }
      try {
        // What was not refused is held, and small requests still have room.
        for (let i = 0; i < 5; i++) assert.ok(await isWell());
        const statuses = await Promise.all(
          Array.from({ length: 12 }, () => statusOf(compressed(1000, true))),
        );
        assert.ok(statuses.includes(503), String(statuses));
      } finally {
        for (const { socket } of connections) socket.destroy();
      }
      // Their room is given back, also that of answers which waited for others on their connection.
      const all = () => Promise.all([1, 2, 3, 4, 5].map(() => statusOf(compressed(1000, true))));
      while ((await all()).some((status) => status !== 200));
    },
  );

  it('hold no more than they have sent, while they are unfinished', async () => {
    const mib = Buffer.alloc(1 << 20, ' ');
    const connections = Array.from({ length: 32 }, () => new RawConnection(server.url));
    const head = rawRequest(route, '', { 'Content-Length': `${mib.length}` });
    const packed = rawRequest(route, '', {
      'Content-Length': '900000',
      'Content-Encoding': 'gzip',
    });
    const long = Buffer.concat([head, mib.subarray(1)]);
    await Promise.all(connections.map((each, i) => each.write(i % 2 === 0 ? long : packed)));
    for (let i = 0; i < 10; i++) assert.ok(await isWell());
    for (const { socket } of connections) socket.destroy();
  });
});

describe('a reader of a large answer', () => {
  it('is cut when it is too slow, and gets all when it is not', async () => {
    const y = Float32Array.from({ length: 8 << 20 }, (_, i) => i);
    const outcomes: boolean[] = [];
    const sender = http.createServer((request, outgoing) => {
      const answer = { model: 'm', version: '1', ghosts: 0, y };
      const asked = {
        id: null,
        rows: 1,
        notes: [],
        outputs: [{ name: 'y', binary: true }],
      } as const;
      const isQuick = request.url === '/quick';
      void sendAnswer(outgoing, encodeAnswer(answer, asked, null), {
        slices: new WorkSlices(),
        graceMs: isQuick ? 60_000 : 50,
        leastBytesPerS: 1e9,
        headers: {},
      }).then((whole) => outcomes.push(whole));
    });
    sender.listen(0, '127.0.0.1');
    await once(sender, 'listening');
    const url = `http://127.0.0.1:${(sender.address() as AddressInfo).port}`;
    const slow = new RawConnection(url);
    slow.socket.pause();
    await slow.write('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n');
    while (outcomes.length === 0) {
      await new Promise((resolve) => {
        setTimeout(resolve, 10);
      });
    }
    assert.deepEqual(outcomes, [false]);
    slow.socket.resume();
    assert.ok((await slow.answer).text.length < y.byteLength);
    const quick = await (await fetch(`${url}/quick`)).arrayBuffer();
    assert.deepEqual(
      Buffer.from(quick).subarray(-4),
      Buffer.from(y.subarray(-1).buffer).subarray(-4),
    );
    sender.closeAllConnections();
    sender.close();
  });
});

describe('long work', () => {
  it('lets everything else go on between its slices, however much of it there is', async () => {
    const slices = new WorkSlices();
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const order: number[] = [];
    const busy = (id: number) => {
      const end = performance.now() + 3;
      while (performance.now() < end);
      order.push(id);
    };
    const task = async (id: number) => {
      for (let i = 0; i < 10; i++) await slices.run(() => busy(id));
    };
    await Promise.all([task(1), task(2), task(3), task(4)]);
    isDone = true;
    // 40 slices of 3 ms, of which a turn has three.
    assert.ok(turns >= 13, `${turns} turns`);
    assert.deepEqual(
      order.slice(-4).toSorted((a, b) => a - b),
      [1, 2, 3, 4],
      'they take turns',
    );
    await assert.rejects(async () => slices.run(() => assert.fail('as thrown')), /as thrown/);
  });
});

describe('a refusal before the end of a body', () => {
  it('keeps the connection, for as long as the body may take', { timeout: 60_000 }, async () => {
    const connection = new RawConnection(server.url);
    const answers = () => connection.text().match(/HTTP\/1\.1 \d+/g) ?? [];
    const next = async (count: number) => {
      while (answers().length < count && !connection.socket.destroyed) await turn();
    };
    const bytes = 100_000;
    const headers = { 'Content-Type': 'text/plain', 'Content-Length': `${bytes}` };
    await connection.write(rawRequest(route, 'x', headers));
    await next(1);
    // Longer than a server closes at once after its answer.
    await new Promise((resolve) => {
      setTimeout(resolve, 800);
    });
    const x = JSON.stringify({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, FEATURES], data: [1, 2] }],
    });
    await connection.write(Buffer.concat([Buffer.alloc(bytes - 1, 'x'), rawRequest(route, x)]));
    await next(2);
    assert.deepEqual(answers(), ['HTTP/1.1 415', 'HTTP/1.1 200']);
    connection.socket.destroy();
  });
});

async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, 5);
  });
}
