// Offline runs of Weights & Biases: their files by a decoder of its own, and where Python has wandb,
// what its `wandb sync` reads in them and sends to a server.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { crc32, gunzipSync } from 'node:zlib';
import { PbfReader } from 'pbf';
import { temporaryFolder } from '../support/files.js';
import { writeRunFolder } from '../support/run-folder.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const PYTHON = process.env['PHANTOM_WANDB_PYTHON'] ?? 'python3';
const STEPS = 700;

/** Runs: finished and measured, one with a file of several blocks that was killed, and of other data. */
function writeRuns(cwd: string): void {
  writeRunFolder(path.join(cwd, 'runs/whole'), { obtained: 'counter' });
  writeRunFolder(path.join(cwd, 'runs/long'), {
    settings: { lr: 0.5 },
    lines: ([start = '', step = '']) => [
      start.replace('"pid":1', '"pid":0'),
      ...Array.from({ length: STEPS }, (_, i) => step.replace('"step":10', `"step":${10 + i}`)),
      '{"type":"warning","message":"beware"}',
      `{"type":"validation","step":20,"loss":0.5,"accuracy":null,"metrics":{"R² (%)/..":0.25}}`,
      `{"type":"end","reason":"diverged","step":${STEPS + 9}}`,
      '',
    ],
  });
  writeRunFolder(path.join(cwd, 'runs/other'), { data: 'other.csv' });
}

/** @returns the folders by the number of bytes in their file, the smallest first */
function writeOffline(cwd: string): string[] {
  const args = [MAIN, 'report', 'runs', '--wandb', 'wandb', '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return (JSON.parse(stdout) as { files: string[] }).files;
}

/** Records of a file of LevelDB's log format, its checksums checked. */
function recordsOf(file: Buffer): Buffer[] {
  assert.equal(file.toString('latin1', 0, 7), ':W&B\xE1\xBE\0');
  const records: Buffer[] = [];
  let pieces: Buffer[] = [];
  for (let at = 7; at < file.length;) {
    const left = 32768 - (at % 32768);
    if (left < 7) {
      assert.ok(file.subarray(at, at + left).every((byte) => byte === 0));
      at += left;
      continue;
    }
    const [length, type] = [file.readUInt16LE(at + 4), file.readUInt8(at + 6)];
    assert.ok(
      length <= left - 7,
      `a piece of ${length} bytes at ${at} crosses the end of its block`,
    );
    const data = file.subarray(at + 7, at + 7 + length);
    assert.equal(file.readUInt32LE(at), crc32(Buffer.concat([Buffer.of(type), data])), `at ${at}`);
    assert.equal(type === 3 || type === 4, pieces.length > 0, `type ${type} at ${at}`);
    pieces.push(data);
    if (type === 1 || type === 4) {
      records.push(Buffer.concat(pieces));
      pieces = [];
    }
    at += 7 + length;
  }
  assert.equal(pieces.length, 0);
  return records;
}

interface Decoded {
  readonly field: number;
  readonly number: number;
  /** Of history or summary. */
  readonly values: Readonly<Record<string, unknown>>;
}

function decode(record: Buffer): Decoded {
  let [field, number] = [0, 0];
  const values: Record<string, unknown> = {};
  const items = (at: number, _: null, body: PbfReader) => {
    if ((field !== 2 && field !== 3) || at !== 1) return;
    let [name, json] = ['', ''];
    body.readMessage((part: number, _none: null, item: PbfReader) => {
      if (part === 2) name = item.readString();
      if (part === 16) json = item.readString();
    }, null);
    values[name] = JSON.parse(json);
  };
  new PbfReader(record).readFields((tag: number, _: null, reader: PbfReader) => {
    if (tag === 1) number = reader.readVarint();
    else {
      field = tag;
      reader.readMessage(items, null);
    }
  }, null);
  return { field, number, values };
}

/** What a server of Weights & Biases is sent of a run. */
interface Received {
  readonly variables: Readonly<Record<string, unknown>>;
  readonly history: Readonly<Record<string, unknown>>[];
  summary: Readonly<Record<string, unknown>>;
  exitCode: number | null;
}

/** A server that takes runs as wandb's own does. */
async function startServer(context: TestContext) {
  const received = new Map<string, Received>();
  const graphql = (query: string, variables: Readonly<Record<string, unknown>>) => {
    if (!query.includes('upsertBucket')) {
      return { createRunFiles: { runID: 'x', uploadHeaders: [], files: [] } };
    }
    const name = String(variables['name']);
    const known = received.get(name);
    // What a later request leaves out stays.
    const given = Object.entries(variables).filter(([, value]) => value !== null);
    const all = { ...known?.variables, ...Object.fromEntries(given) };
    const empty = { history: [], summary: {}, exitCode: null };
    received.set(name, { ...(known ?? empty), variables: all });
    const project = { id: 'p', name: all['project'], entity: { id: 'e', name: 'somebody' } };
    const bucket = {
      id: name,
      name,
      displayName: name,
      config: '{}',
      historyLineCount: 0,
      project,
    };
    return { upsertBucket: { inserted: known === undefined, bucket } };
  };
  const stream = (name: string, body: Stream) => {
    const run = received.get(name);
    const lines = (file: string) => body.files?.[file]?.content.map((line) => JSON.parse(line));
    run?.history.push(...(lines('wandb-history.jsonl') ?? []));
    if (run) run.summary = lines('wandb-summary.json')?.at(-1) ?? run.summary;
    if (run && body.complete) run.exitCode = body.exitcode ?? null;
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const bytes = Buffer.concat(chunks);
      const isZipped = request.headers['content-encoding'] === 'gzip';
      const text = (isZipped ? gunzipSync(bytes) : bytes).toString();
      const url = request.url ?? '';
      let data = {};
      if (url === '/graphql') {
        const { query, variables = {} } = JSON.parse(text) as { query: string; variables?: object };
        data = graphql(query, variables as Record<string, unknown>);
      } else if (url.endsWith('/file_stream')) {
        stream(url.split('/').at(-2) ?? '', JSON.parse(text) as Stream);
      }
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ data }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

interface Stream {
  readonly files?: Readonly<Record<string, { readonly content: readonly string[] }>>;
  readonly complete?: boolean;
  readonly exitcode?: number;
}

describe('offline runs for Weights & Biases', () => {
  it('have every logged value, in records that cross blocks', (context) => {
    const cwd = temporaryFolder(context);
    writeRuns(cwd);
    const folders = writeOffline(cwd);
    assert.equal(new Set(folders).size, 3);
    assert.deepEqual(writeOffline(cwd), folders);
    const files = folders.map((folder) => {
      const [, id] = /offline-run-20260102_030406-([0-9a-f]{8})$/.exec(folder) ?? [];
      return readFileSync(path.join(folder, `run-${id}.wandb`));
    });
    for (const file of files) {
      const records = recordsOf(file).map(decode);
      assert.deepEqual(
        records.map(({ number }) => number),
        records.map((_, i) => i + 1),
      );
      assert.deepEqual(
        records.slice(0, 2).map(({ field }) => field),
        [21, 17],
      );
      assert.deepEqual(
        records.slice(-2).map(({ field }) => field),
        [3, 18],
      );
    }
    const histories = files.map((file) =>
      recordsOf(file)
        .map(decode)
        .filter(({ field }) => field === 2),
    );
    const long = histories.find(({ length }) => length === STEPS);
    assert.ok(long);
    assert.ok(Math.max(...files.map(({ length }) => length)) > 4 * 32768);
    assert.equal(long[10]?.values['validation/R² (%)/..'], 0.25);
    const short = histories.filter(({ length }) => length === 10).map(([first]) => first?.values);
    assert.deepEqual(
      short.map((values) => values?.['training/loss']),
      [0.1, 0.1],
    );
    // Joules that are modelled are called so.
    const names = short
      .flatMap((values) => Object.keys(values ?? {}))
      .filter((name) => /_J/.test(name));
    assert.deepEqual(names.toSorted(), ['energy/run_J', 'energy/run_J_modelled']);
  });

  const has = spawnSync(PYTHON, ['-c', 'import wandb'], { stdio: 'ignore' }).status === 0;
  it('are what wandb reads', { skip: has ? false : `${PYTHON} has no wandb` }, async (context) => {
    const cwd = temporaryFolder(context);
    writeRuns(cwd);
    const folders = writeOffline(cwd);
    const { url, received } = await startServer(context);
    const env = {
      ...process.env,
      ...{ HOME: cwd, WANDB_BASE_URL: url, WANDB_API_KEY: 'a'.repeat(40) },
      WANDB_ERROR_REPORTING: 'false',
    };
    const args = ['-m', 'wandb', 'sync', ...folders];
    const { stderr } = await promisify(execFile)(PYTHON, args, { cwd, env });
    assert.equal(stderr.match(/Finished syncing/g)?.length, 3, stderr);
    const named = (name: string) => {
      const run = [...received.values()].find(({ variables }) => variables['displayName'] === name);
      assert.ok(run, name);
      return run;
    };
    const whole = named('whole');
    assert.equal(whole.variables['groupName'], 'table.csv, mse');
    assert.deepEqual(whole.variables['tags'], ['energy counter', 'finished']);
    const config = JSON.parse(String(whole.variables['config'])) as Record<
      string,
      { value: unknown }
    >;
    assert.deepEqual([config['optimizer']?.value, config['lr']?.value], ['adam', 0.01]);
    assert.deepEqual(
      whole.history.map(({ _step, ['training/loss']: loss }) => [_step, loss]),
      Array.from({ length: 10 }, (_, i) => [10 * i + 10, 1 / (10 * i + 10)]),
    );
    assert.equal(whole.history[1]?.['validation/loss'], 1.1 / 20);
    assert.equal(whole.summary['result/step_J'], 0.3);
    assert.equal(whole.exitCode, 0);
    const long = named('long');
    assert.equal(long.history.length, STEPS);
    assert.match(String(long.variables['notes']), /beware/);
    assert.equal(long.history[10]?.['validation/R² (%)/..'], 0.25);
    assert.equal(long.exitCode, 1);
    assert.equal(named('other').variables['groupName'], 'other.csv, mse');
  });

  it('are not written where a page is asked for', (context) => {
    const cwd = temporaryFolder(context);
    writeRuns(cwd);
    for (const [flags, message] of [
      [['--wandb', 'wandb', '--out', 'x.html'], /--out with --wandb, which writes no page/],
      [['--tensorboard', '--format', 'html'], /--format with --tensorboard, which writes no page/],
    ] as const) {
      const args = [MAIN, 'report', 'runs', ...flags];
      const { status, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
      assert.equal(status, 2);
      assert.match(stderr, message);
    }
    assert.deepEqual(readdirSync(cwd), ['runs']);
  });
});
