import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isDataError, temporaryFolder } from './hostile.test.helper.js';
import { openDataset } from './sources.js';
import { splitRandomly } from './splits.js';
import { summarize, type TableSchema } from './tables/schema.js';

const folder = temporaryFolder('sources');

function csv(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

const ROWS = Array.from({ length: 20 }, (_, i) => `${i},${i % 3}`).join('\n');

/** The data as rows of features and answer. */
function rowsOf(part: Awaited<ReturnType<typeof openDataset>>['validation']): number[][] {
  if (part?.kind === 'records') {
    const records = part.source as Float32Array;
    return Array.from({ length: part.rows }, (_, row) => [
      records[2 * row] ?? -1,
      records[2 * row + 1] ?? -1,
    ]);
  }
  assert.ok(part?.kind === 'table' && part.answers.kind === 'labels');
  const { labels } = part.answers;
  return Array.from({ length: part.rows }, (_, row) => [part.x[row] ?? -1, labels[row] ?? -1]);
}

test('fashion-10k comes with the package, split 8,000 and 2,000', async () => {
  const { training, validation } = await openDataset('fashion-10k');
  assert.ok(training.kind === 'table' && validation?.kind === 'table');
  assert.deepEqual([training.rows, validation.rows, training.features], [8000, 2000, 784]);
  assert.equal(training.x.length, 8000 * 784);
  assert.ok(training.imageLike);
  const { answers } = training;
  assert.ok(answers.kind === 'labels' && answers.classes === 10);
  // The published file starts with an ankle boot, a pullover and two pairs of trousers.
  assert.deepEqual([...answers.labels.subarray(0, 4)], [9, 2, 1, 1]);
});

const debian = '/usr/share/datasets/fashion-mnist';
const absent = existsSync(debian) ? false : 'dataset-fashion-mnist is not installed';

test('fashion-mnist has 60,000 and 10,000 images', { skip: absent }, async () => {
  const { training, validation } = await openDataset('fashion-mnist');
  assert.deepEqual([training.rows, validation?.rows], [60_000, 10_000]);
  const same = await openDataset(debian);
  assert.equal(same.validation?.rows, 10_000);
});

test('fashion-mnist says how to get it', async () => {
  await assert.rejects(
    openDataset(`fashion-mnist:${folder}`),
    isDataError(/apt-get install dataset-fashion-mnist/),
  );
});

test('a file has no validation part unless asked for', async () => {
  const file = csv('a.csv', ROWS);
  assert.equal((await openDataset(file)).validation, null);
  assert.equal((await openDataset('fashion-10k', { validation: null })).validation, null);
});

test('a fraction takes rows by seed, and both parts keep the order of the file', async () => {
  const file = csv('a.csv', ROWS);
  const { training, validation } = await openDataset(file, { validation: 0.25, seed: 3 });
  assert.deepEqual([training.rows, validation?.rows], [15, 5]);
  const again = await openDataset(file, { validation: 0.25, seed: 3 });
  assert.deepEqual(rowsOf(again.validation), rowsOf(validation));
  const other = await openDataset(file, { validation: 0.25, seed: 4 });
  assert.notDeepEqual(rowsOf(other.validation), rowsOf(validation));
});

test('a split keeps every row once, with its answer', async () => {
  const numbers = Array.from({ length: 20 }, (_, i) => [i]);
  const y = numbers.map(([i = 0]) => i % 3);
  const { training } = await openDataset({ x: numbers, y });
  assert.ok(training.kind === 'table');
  fc.assert(
    fc.property(fc.double({ min: 0.03, max: 0.97, noNaN: true }), fc.nat(), (fraction, seed) => {
      const parts = splitRandomly(training, fraction, seed);
      const firsts = [parts.training, parts.validation].map((part) => rowsOf(part));
      for (const rows of firsts) {
        assert.deepEqual(
          rows,
          rows.toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0)),
        );
        for (const [x = -1, label] of rows) assert.equal(label, x % 3);
      }
      const all = firsts.flat().map(([x = -1]) => x);
      assert.deepEqual(
        all.toSorted((a, b) => a - b),
        Array.from({ length: 20 }, (_, i) => i),
      );
    }),
  );
});

test('a second file validates, by the columns and classes of the first', async () => {
  const file = csv('a.csv', ROWS);
  const parts = await openDataset(file, { validation: csv('b.csv', '1,2\n2,0\n') });
  for (const part of [parts.training, parts.validation]) {
    assert.equal(part?.answers.kind === 'labels' && part.answers.classes, 3);
  }
  assert.deepEqual(rowsOf(parts.validation), [
    [1, 2],
    [2, 0],
  ]);
  const refused: [string, RegExp][] = [
    ['1,7\n2,0\n', /holds "7"; its classes are 0, 1, 2/],
    ['1\n', /no column column1; the model needs it/],
    ['a,0\nb,1\n', /column column0 holds "[ab]"; a number is needed/],
  ];
  for (const [text, message] of refused) {
    const validation = csv('c.csv', text);
    await assert.rejects(openDataset(file, { validation }), isDataError(message));
  }
});

test('fractions that leave nothing on one side are refused', async () => {
  const file = csv('a.csv', ROWS);
  for (const validation of [0, 1, -1, 0.001, 0.999, Number.NaN]) {
    await assert.rejects(openDataset(file, { validation }), isDataError(/between 0 and 1/));
  }
});

test('a teacher has parts of its own and no others', async () => {
  const { training, validation } = await openDataset('synthetic:teacher?widths=4,2&validation=10');
  assert.deepEqual([training.rows, validation?.rows, training.features], [Infinity, 10, 4]);
  await assert.rejects(openDataset('synthetic:teacher', { validation: 0.1 }), /validation=2048/);
});

test('unknown names, formats and folders are refused with what is known', async () => {
  await assert.rejects(openDataset('fashion-10'), isDataError(/did you mean fashion-10k\?/));
  await assert.rejects(openDataset('sintetic:teacher'), isDataError(/mean synthetic:teacher\?/));
  await assert.rejects(openDataset('none.csv'), isDataError(/none.csv: no such file/));
  await assert.rejects(openDataset(csv('a.txt', '')), isDataError(/no rows/));
  await assert.rejects(
    openDataset(temporaryFolder('empty')),
    isDataError(/a folder of data holds/),
  );
});

test('steam comes with the package, by its name and in a query', async () => {
  const { training, table } = await openDataset('steam', { targets: ['phase'] });
  assert.equal(training.rows, 60_000);
  assert.equal(training.features, 9);
  assert.deepEqual(training.answers, { kind: 'labels', classes: 5 });
  assert.match(summarize(table?.schema as TableSchema), /^predicts phase .* 9 numeric$/);
  const query = 'select temperature_K, phase from steam where pressure_Pa > 7e7';
  const some = await openDataset(query, { targets: ['phase'] });
  assert.equal(some.training.features, 1);
  assert.ok(some.training.rows < 2000);
});
