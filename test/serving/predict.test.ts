// Files of rows answered by `phantom predict`: every format both ways, whole files or none.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadModel } from '#src/app/infer/load-model.js';
import { predict, type PredictFileOptions } from '#src/app/infer/predict.js';
import { train } from '#src/app/train/train.js';
import { SafetensorsFile, writeSafetensors } from '#src/data/safetensors.js';
import { openDataset } from '#src/data/sources.js';
import { literal, openDatabase } from '#src/data/tables/database.js';
import { openModel } from '#src/models/model-source.js';
import { temporaryFolder } from '../support/files.js';
import { findMpiruns, PHANTOM, runMpi } from '../support/mpi.js';

const FEATURES = 6;
const ROWS = 23;
const cleanup: (() => unknown)[] = [];
let folder = '';
let run = '';
let expected = new Float32Array();
const x = Float32Array.from({ length: ROWS * FEATURES }, (_, i) => Math.fround(Math.sin(3 * i)));
const at = (name: string) => path.join(folder, name);
const table = Array.from({ length: ROWS }, (_, row) => [
  ...x.subarray(row * FEATURES, (row + 1) * FEATURES),
]);

function npy(values: Float32Array, shape: string, fortran = false): Buffer {
  const order = fortran ? 'True' : 'False';
  const text = `{'descr': '<f4', 'fortran_order': ${order}, 'shape': ${shape}, }`.padEnd(117);
  const head = Buffer.from(`\x93NUMPY\x01\x00\x76\x00${text}\n`, 'latin1');
  return Buffer.concat([head, new Uint8Array(values.buffer)]);
}

before(async () => {
  folder = temporaryFolder({ after: (work: () => unknown) => cleanup.push(work) });
  run = at('run');
  await train({
    ...({ strategy: 'tensor', width: 16, blocks: 2, ranks: 1, engine: 'wasm', steps: 2 } as const),
    data: `synthetic:teacher?widths=${FEATURES},8,3&labels=argmax`,
    batch: 8,
    out: run,
  });
  const model = await loadModel(run, { ranks: 1, engine: 'wasm' });
  expected = Float32Array.from(await model.predict(x));
  await model.close();

  const lines = table.map((row) => row.join(','));
  writeFileSync(at('rows.csv'), lines.join('\n'));
  const named = ['a,b,label,c,d,e,f', ...table.map(([a, b, ...rest]) => [a, b, 1, ...rest].join())];
  writeFileSync(at('named.csv'), named.join('\n'));
  writeFileSync(at('rows.jsonl'), table.map((row) => JSON.stringify(row)).join('\n'));
  const objects = table.map((row, i) => JSON.stringify({ i, x: row }));
  writeFileSync(at('objects.jsonl'), `${objects.join('\n')}\n`);
  writeFileSync(at('rows.npy'), npy(x, `(${ROWS}, ${FEATURES})`));
  writeFileSync(at('images.npy'), npy(x, `(${ROWS}, 2, 3)`));
  const columns = Float32Array.from(x, (_, i) => table[i % ROWS][Math.floor(i / ROWS)]);
  writeFileSync(at('fortran.npy'), npy(columns, `(${ROWS}, ${FEATURES})`, true));
  writeSafetensors(at('rows.safetensors'), [
    { name: 'x', dtype: 'F32', shape: [ROWS, FEATURES], data: x },
  ]);
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const rows = table.map(
    (row, i) => `(${[...row.map((value) => `${value}::FLOAT`), i].join(', ')})`,
  );
  const database = await openDatabase();
  await database.rows(
    `copy (select * from (values ${rows.join(', ')}) as t(${names.join(', ')}, label)) ` +
      `to ${literal(at('rows.parquet'))} (format parquet)`,
  );
  database.close();
});
after(() => {
  for (const work of cleanup) work();
});

const request = (data: string, out: string, more: Partial<PredictFileOptions> = {}) =>
  predict({
    model: run,
    data: at(data),
    out: at(out),
    what: 'outputs',
    engine: 'wasm',
    ranks: 1,
    batch: 5,
    ghosts: null,
    meter: 'none',
    machine: 'default',
    ...more,
  });

function assertNear(actual: ArrayLike<number>, wanted: ArrayLike<number>): void {
  assert.equal(actual.length, wanted.length);
  for (const [i, value] of Array.from(wanted).entries()) {
    assert.ok(Math.abs(actual[i] - value) < 1e-5, `${i}: ${actual[i]} ${value}`);
  }
}

function readSafetensors(file: string, name: string) {
  const open = new SafetensorsFile(file);
  const { shape, dtype } = open.entry(name);
  const values = dtype === 'I32' ? open.readInt32(name) : open.readFloat32(name);
  open.close();
  return { shape, values };
}

describe('predict reads', () => {
  const files = ['rows.csv', 'named.csv', 'rows.jsonl', 'objects.jsonl', 'rows.npy', 'images.npy'];
  for (const file of [...files, 'fortran.npy', 'rows.safetensors', 'rows.parquet']) {
    it(file, async () => {
      const { rows } = await request(file, 'read.safetensors');
      assert.equal(rows, ROWS);
      const { shape, values } = readSafetensors(at('read.safetensors'), 'y');
      assert.deepEqual(shape, [ROWS, 3]);
      assertNear(values, expected);
    });
  }
});

describe('predict writes', () => {
  it('CSV', async () => {
    await request('rows.npy', 'y.csv', { ranks: 2 });
    const [header, ...lines] = readFileSync(at('y.csv'), 'utf8').trimEnd().split('\n');
    assert.equal(header, 'y0,y1,y2');
    assertNear(
      lines.flatMap((line) => line.split(',').map(Number)),
      expected,
    );
  });

  it('JSON lines', async () => {
    await request('rows.npy', 'y.jsonl');
    const lines = readFileSync(at('y.jsonl'), 'utf8').trimEnd().split('\n');
    assertNear(
      lines.flatMap((line) => Object.values(JSON.parse(line) as Record<string, number>)),
      expected,
    );
  });

  it('NPY', async () => {
    await request('rows.npy', 'y.npy');
    const bytes = readFileSync(at('y.npy'));
    const header = bytes.toString('latin1', 10, 128);
    assert.match(header, /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(23, 3\), \} +\n$/);
    assertNear(new Float32Array(new Uint8Array(bytes.subarray(128)).buffer), expected);
  });

  it('Parquet, which is read back as a table', async () => {
    await request('rows.npy', 'y.parquet');
    const { training } = await openDataset(at('y.parquet'), { targets: ['y2'] });
    assert.ok(training.kind === 'records' && training.record === 3);
    assertNear(training.source as Float32Array, expected);
  });

  it('probabilities and labels of classes', async () => {
    await request('rows.npy', 'p.safetensors', { what: 'probabilities' });
    await request('rows.npy', 'l.safetensors', { what: 'labels' });
    const { values: p } = readSafetensors(at('p.safetensors'), 'y');
    const { values: labels, shape } = readSafetensors(at('l.safetensors'), 'label');
    assert.deepEqual(shape, [ROWS]);
    for (let row = 0; row < ROWS; row++) {
      const logits = Array.from(expected.subarray(3 * row, 3 * row + 3));
      const sum = logits.reduce((total, value) => total + Math.exp(value), 0);
      assertNear(
        Array.from(p).slice(3 * row, 3 * row + 3),
        logits.map((value) => Math.exp(value) / sum),
      );
      assert.equal(labels[row], logits.indexOf(Math.max(...logits)));
    }
  });
});

describe('predict leaves no part of a file', () => {
  const bad: [string, string, RegExp][] = [
    ['wide.csv', `${table[0].join(',')},1\n`, /7 columns of features; the model takes 6/],
    ['empty.csv', '', /no rows/],
    ['text.csv', `${table.map((row) => row.join(',')).join('\n')}\n1,2,3,4,5,six\n`, /"six"/],
    ['nan.csv', '1,2,3,4,5,nan\n', /feature 5 of row 0 is NaN .*must be finite/],
    ['large.csv', '1,2,3,4,5,1e39\n', /feature 5 of row 0 is Infinity in float32/],
    ['broken.jsonl', `${JSON.stringify(table[0])}\n[1,2`, /JSON/],
    ['narrow.jsonl', '[1,2]\n', /2 columns of features; the model takes 6/],
    ['object.jsonl', '{"y":[1]}\n', /1 column of features; the model takes 6/],
    ['cut.npy', npy(x, `(99, ${FEATURES})`).toString('latin1'), /needs 2376 bytes/],
    ['cut.safetensors', '\x10\x00', /too few for a header/],
    ['cut.parquet', 'PAR1', /damaged|cannot|parquet/],
    ['rows.xyz', 'x', /unknown format/],
  ];
  for (const [name, text, message] of bad) {
    it(name, async () => {
      writeFileSync(at(name), text, 'latin1');
      writeFileSync(at('kept.csv'), 'kept');
      await assert.rejects(request(name, 'kept.csv'), message);
      assert.equal(readFileSync(at('kept.csv'), 'utf8'), 'kept');
      assert.deepEqual(
        readdirSync(folder).filter((file) => file.endsWith('.partial')),
        [],
      );
    });
  }

  it('where it cannot write, or what it is asked for does not exist', async () => {
    mkdirSync(at('folder.csv'), { recursive: true });
    await assert.rejects(request('rows.csv', 'y.txt'), /unknown format; \.csv/);
    await assert.rejects(request('rows.csv', 'folder.csv'), /is a folder/);
    await assert.rejects(request('rows.csv', 'none/y.csv'), /cannot write/);
    await assert.rejects(request('none.csv', 'y.csv'), /none\.csv/);
    await assert.rejects(request('rows.csv', 'y.csv', { ranks: 3 }), /ranks that fit: 1, 2/);
    assert.equal(existsSync(at('y.txt')), false);
  });
});

describe('the command predict', () => {
  it('answers a file, in a line each or as JSON', () => {
    const command = (...args: string[]) =>
      spawnSync(process.execPath, [PHANTOM, 'predict', run, ...args], {
        cwd: folder,
        encoding: 'utf8',
      });
    const plain = command('--data', 'rows.csv', '--out', 'c.csv', '--engine', 'wasm');
    assert.equal(plain.status, 0, plain.stderr);
    assert.match(plain.stdout, /c\.csv: 23 rows of 3/);
    assert.match(plain.stdout, /samples\/s/);
    const json = command('--data', 'rows.csv', '--out', 'c.csv', '--json');
    const report = JSON.parse(json.stdout) as Record<string, unknown>;
    assert.equal(report['rows'], ROWS);
    assert.equal(report['step'], openModel(run).step);
    for (const [args, message] of [
      [['--data', 'rows.csv'], /--out/],
      [
        ['--data', 'rows.csv', '--out', 'c.csv', '--what', 'all'],
        /answers, outputs, probabilities, labels/,
      ],
      [['--data', 'rows.csv', '--out', 'c.csv', '--batch', '0'], /--batch is 0; needs an integer/],
    ] as const) {
      const wrong = command(...args);
      assert.equal(wrong.status, 2);
      assert.match(wrong.stderr, message);
      assert.equal(wrong.stderr.trimEnd().split('\n').length, 1);
    }
  });

  for (const { mpirun, skip } of findMpiruns()) {
    it(`answers the same under ${mpirun.family}`, { skip }, async () => {
      const out = at('mpi.safetensors');
      const args = ['predict', run, '--data', at('rows.csv'), '--out', out, '--engine', 'wasm'];
      const { code, stderr, stdout } = await runMpi(mpirun, 2, PHANTOM, args);
      assert.equal(code, 0, stderr);
      assert.equal(stdout.match(/23 rows of 3/g)?.length, 1);
      assertNear(readSafetensors(out, 'y').values, expected);
    });
  }
});
