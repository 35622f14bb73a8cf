import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { DataError } from '../../base/errors.js';
import {
  assertFlipsSurvived,
  assertTruncationsRefused,
  isDataError,
  temporaryFolder,
} from '../hostile.test.helper.js';
import { readParquet } from './parquet.js';
import { decodeParquet } from './parquet-table.js';
import type { ReadOptions } from './table.js';

const folder = temporaryFolder('parquet');
const file = path.join(folder, 'file.parquet');

const GZIP = { GZIP: (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes)) };

type Column = Parameters<typeof parquetWriteBuffer>[0]['columnData'][number];

function write(columnData: Column[], options: object = {}): void {
  writeFileSync(file, new Uint8Array(parquetWriteBuffer({ columnData, ...options })));
}

async function read(options: ReadOptions = {}) {
  const { rows, features, x, answers } = await readParquet(file, options);
  const y = answers.kind === 'labels' ? answers.labels : answers.values;
  return { rows, features, x: [...x], kind: answers.kind, y: [...y] };
}

const LABELS: Column = { name: 'label', data: Int32Array.of(1, 0, 2), type: 'INT32' };

test('columns of numbers, as in a CSV file', async () => {
  write([
    { name: 'a', data: Float32Array.of(1, 2, 3), type: 'FLOAT' },
    { name: 'b', data: Float64Array.of(0.5, 1.5, 2.5), type: 'DOUBLE' },
    LABELS,
  ]);
  const expected = {
    rows: 3,
    features: 2,
    x: [1, 0.5, 2, 1.5, 3, 2.5],
    kind: 'labels',
    y: [1, 0, 2],
  };
  assert.deepEqual(await read(), expected);
  const byName = await read({ targets: ['b'] });
  assert.deepEqual(
    [byName.x, byName.y, byName.kind],
    [[1, 1, 2, 0, 3, 2], [0.5, 1.5, 2.5], 'values'],
  );
});

const list = (name: string): object[] => [
  { name, repetition_type: 'REQUIRED', num_children: 1, converted_type: 'LIST' },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', repetition_type: 'REQUIRED', type: 'FLOAT' },
];

test('x and y as lists of numbers, other columns left out', async () => {
  const schema = [
    { name: 'root', num_children: 3 },
    ...list('x'),
    { name: 'id', type: 'INT32', repetition_type: 'REQUIRED' },
    ...list('y'),
  ];
  const columnData = [
    {
      name: 'x',
      data: [
        [1, 2],
        [3, 4],
      ],
    },
    { name: 'id', data: [7, 8] },
    { name: 'y', data: [[0.5], [1.5]] },
  ];
  write(columnData, { schema });
  const expected = { rows: 2, features: 2, x: [1, 2, 3, 4], kind: 'values', y: [0.5, 1.5] };
  assert.deepEqual(await read(), expected);
  write([{ name: 'x', data: [[1, 2], [3]] }, ...columnData.slice(1)], { schema });
  await assert.rejects(read(), isDataError(/row 1 has 1 numbers in x and row 0 has 2/));
});

test('several row groups, every compression and 64-bit integers', async () => {
  const data = Float64Array.from({ length: 2500 }, (_, i) => i / 8);
  const labels = BigInt64Array.from(data.keys(), (i) => BigInt(i % 7));
  for (const codec of ['UNCOMPRESSED', 'SNAPPY', 'GZIP'] as const) {
    const columns: Column[] = [
      { name: 'a', data, type: 'DOUBLE' },
      { name: 'y', data: labels, type: 'INT64' },
    ];
    write(columns, { rowGroupSize: 1000, codec, compressors: GZIP });
    const { x, y, kind } = await read();
    assert.deepEqual(x, [...data], codec);
    assert.equal(kind, 'labels');
    assert.deepEqual(y, [...labels].map(Number));
  }
});

test('empty cells, text and tables without rows are refused', async () => {
  write([{ name: 'a', data: [1, null, 3], type: 'DOUBLE', nullable: true }, LABELS]);
  await assert.rejects(read(), isDataError(/column a of row 1 is empty/));
  write([{ name: 'a', data: ['p', 'q', 'r'], type: 'STRING' }, LABELS]);
  await assert.rejects(read(), isDataError(/column a of row 0 is a string; numbers are needed/));
  write([{ name: 'a', data: [1, Number.NaN, 3], type: 'DOUBLE' }, LABELS]);
  await assert.rejects(read(), isDataError(/x\[0\] of row 1 is NaN/));
  await assert.rejects(
    read({ targets: ['z'] }),
    isDataError(/no column z; the columns are a, label/),
  );
  await assert.rejects(readParquet(folder, {}), isDataError(/not a regular file/));
});

test('files cut at any byte are refused, and changed bytes do no harm', async () => {
  write([{ name: 'a', data: Float32Array.of(1, 2, 3), type: 'FLOAT' }, LABELS]);
  const bytes = readFileSync(file);
  const readHere = () => decodeParquet(file, undefined);
  await assertTruncationsRefused(file, bytes, readHere);
  await assertFlipsSurvived(file, bytes, () => readParquet(file, {}, 2), 25);
});

test('a count that no file of this size can hold ends the decoder, not the process', async () => {
  const data = new Int32Array(3000).map((_, i) => i % 3);
  write([
    { name: 'a', data, type: 'INT32' },
    { name: 'y', data, type: 'INT32' },
  ]);
  const bytes = readFileSync(file);
  let refused = 0;
  // Counts lie in the page headers at the start: bytes there are made as large as they can be.
  for (let at = 9; at < 60; at += 6) {
    const damaged = Uint8Array.from(bytes);
    damaged.fill(0xff, at, at + 4);
    damaged[at + 4] = 0x07;
    writeFileSync(file, damaged);
    await readParquet(file, {}, 2).catch((error: unknown) => {
      assert.ok(error instanceof DataError, String(error));
      refused++;
    });
  }
  assert.ok(refused > 3, `${refused} refused`);
});
