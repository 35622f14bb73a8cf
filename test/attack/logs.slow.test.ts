// Output that cannot be written stops nothing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { inferBody, post, rowsOf, trainServedRun } from '../support/inference-client.js';
import { readable } from '#src/cli/server-log.js';
import {
  COMMAND,
  freePort,
  RawConnection,
  rawRequest,
  type ServeProcess,
  serveProcess,
} from './support/served.js';

const needsFull = existsSync('/dev/full') ? false : 'needs /dev/full';
let folder = '';
let run = '';
before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'phantom-logs-'));
  run = await trainServedRun(folder);
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function answers(server: ServeProcess): Promise<void> {
  const route = `${server.url}/v2/models/m/infer`;
  // More lines than may wait: each refusal is one.
  const refused = `/v2/models/${'x'.repeat(190)}/infer`;
  const many = new RawConnection(server.url);
  await many.write(Buffer.concat(Array.from({ length: 5000 }, () => rawRequest(refused, ''))));
  await many.write(rawRequest(refused, '', { Connection: 'close' }));
  assert.equal((await many.answer).text.match(/HTTP\/1\.1 404/g)?.length, 5001);
  assert.equal((await post(route, inferBody(rowsOf(1)))).status, 200);
  server.signal('SIGTERM');
  assert.equal(await server.ended, 0);
}

const flags = (port: number) => ({ port, args: ['--ranks', '1', '--engine', 'wasm'] });

describe('a log that cannot be written', () => {
  it(
    'on a full disk stops neither requests nor the end',
    {
      skip: needsFull,
    },
    async () => {
      const { port, args } = flags(await freePort());
      const stdout = openSync('/dev/full', 'w');
      await answers(await serveProcess([`m=${run}`, ...args], { port, stdout }));
    },
  );

  it('in a pipe that nobody reads stops neither requests nor the end', async () => {
    const { port, args } = flags(await freePort());
    await answers(await serveProcess([`m=${run}`, ...args], { port, stdout: 'unread' }));
  });

  it('in a file that can be written has every line', async () => {
    const { port, args } = flags(await freePort());
    const file = path.join(folder, 'log.jsonl');
    const server = await serveProcess([`m=${run}`, ...args], { port, stdout: openSync(file, 'w') });
    assert.equal((await post(`${server.url}/v2/nothing`, '')).status, 404);
    server.signal('SIGTERM');
    assert.equal(await server.ended, 0);
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
    assert.deepEqual(messages, [
      'model loaded',
      'listening',
      'SIGTERM: answering what has been asked',
      'ended',
    ]);
  });
});

it('a line of the log for people', () => {
  const line = JSON.stringify({
    level: 40,
    time: '2026-01-02T03:04:05.000Z',
    model: 'm',
    error: 'a "b"',
    list: [1],
    msg: 'model failed',
  });
  assert.match(
    readable(line),
    /^\d\d:\d\d:\d\d warn {2}model failed model=m error="a \\"b\\"" list=\[1\]\n$/,
  );
});

describe('a defect', () => {
  it('ends the server in good order, and is in the log', async () => {
    const module = path.join(folder, 'defect.mjs');
    writeFileSync(
      module,
      `import { isMainThread } from 'node:worker_threads';
if (isMainThread) process.on('SIGUSR2', () => setTimeout(() => { throw new Error('planted'); }, 1));`,
    );
    const env = { NODE_OPTIONS: `--import ${module}` };
    const args = [`m=${run}`, '--ranks', '2', '--engine', 'wasm'];
    const server = await serveProcess(args, { env });
    server.signal('SIGUSR2');
    assert.equal(await server.ended, 1);
    const [defect, end] = server.lines.slice(-2);
    assert.match(String(defect?.['error']), /planted/);
    assert.match(String(defect?.['msg']), /this is a defect/);
    assert.equal(end?.['msg'], 'ended');
  });
});

describe('a run whose output cannot be written', () => {
  const train = 'train --data synthetic:teacher?widths=4,8,2 --strategy tensor --width 8 --steps 6';
  for (const [name, words] of [
    ['train', [...train.split(' '), '--blocks', '1', '--ranks', '1']],
    [
      'launch',
      [
        'launch',
        '--transport',
        'threads',
        '--ranks',
        '1',
        '--',
        ...train.split(' '),
        '--blocks',
        '1',
      ],
    ],
  ] as const) {
    it(`${name} goes on and ends with its checkpoint`, { skip: needsFull }, () => {
      const out = path.join(folder, name);
      const { status, stderr } = spawnSync(process.execPath, [COMMAND, ...words, '--out', out], {
        stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
      assert.match(stderr, /phantom: stdout: ENOSPC.*; going on without it/);
      assert.ok(existsSync(path.join(out, 'checkpoints', 'step-00000006')));
    });
  }
});
