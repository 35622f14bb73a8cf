import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { DataError } from '../../base/errors.js';
import { assertFlipsSurvived, isDataError, temporaryFolder } from '../hostile.test.helper.js';
import { readCsv } from './csv.js';
import type { ReadOptions } from './table.js';

const folder = temporaryFolder('csv');
const file = path.join(folder, 'file.csv');

/** x by rows, and the answers. */
async function read(text: string, options: ReadOptions = {}) {
  writeFileSync(file, text);
  const { x, rows, features, answers } = await readCsv(file, options);
  const rowsOf = (values: ArrayLike<number>, width: number) =>
    Array.from({ length: rows }, (_, row) =>
      Array.from(values).slice(row * width, (row + 1) * width),
    );
  return {
    x: rowsOf(x, features),
    ...answersOf(),
  };

  function answersOf(): { labels?: number[]; classes?: number; values?: number[][] } {
    return answers.kind === 'labels'
      ? { labels: [...answers.labels], classes: answers.classes }
      : { values: rowsOf(answers.values, answers.width) };
  }
}

test('without a header the last column is predicted; integers are labels', async () => {
  const expected = {
    x: [
      [1, 2.5],
      [3, -4],
    ],
    labels: [0, 2],
    classes: 3,
  };
  assert.deepEqual(await read('1,2.5,0\n3,-4,2\n'), expected);
});

test('anything but integers is values', async () => {
  assert.deepEqual(await read('1,0.5\n2,1\n'), { x: [[1], [2]], values: [[0.5], [1]] });
  assert.deepEqual(await read('1,3\n2,4\n', { answers: 'values' }), {
    x: [[1], [2]],
    values: [[3], [4]],
  });
});

test('columns named y, y0, …, label or target are predicted wherever they stand', async () => {
  assert.deepEqual(await read('label,a,b\n1,2,3\n'), { x: [[2, 3]], labels: [1], classes: 2 });
  assert.deepEqual(await read('y0,a,y1\n1,2,3\n'), { x: [[2]], values: [[1, 3]] });
  assert.deepEqual(await read('"a","target"\n1,2.5\n'), { x: [[1]], values: [[2.5]] });
});

test('columns can be named for prediction, by number without a header', async () => {
  const targets = ['price', 'size'];
  const named = await read('size,a,price\n1,2,3\n', { targets });
  assert.deepEqual(named, { x: [[2]], values: [[3, 1]] });
  assert.deepEqual(await read('1,2\n', { targets: ['0'] }), { x: [[2]], labels: [1], classes: 2 });
  await assert.rejects(read('a,b\n1,2\n', { targets: ['c'] }), /no column c; the columns are a, b/);
});

test('a header of numbers is one when it is said to be', async () => {
  assert.deepEqual((await read('1,2\n3,4\n', { header: true })).x, [[3]]);
  await assert.rejects(read('a,b\n3,4\n', { header: false }), /column 0 of row 0 is "a"/);
});

test('tabs, semicolons, CRLF, spaces, blank lines and a byte order mark', async () => {
  const expected = { x: [[1], [3]], labels: [2, 4], classes: 5 };
  assert.deepEqual(await read('\ufeff1\t2\r\n\r\n3\t4'), expected);
  assert.deepEqual(await read('a;b\n1;2\n3; 4\n'), expected);
});

for (const [what, text, message] of [
  ['a missing value', 'a,y\n1,2\n,3\n', /column a of row 1 is ""; every cell is a finite number/],
  ['text', 'a,y\n1,2\ncat,3\n', /column a of row 1 is "cat"/],
  ['NaN in the first line', 'nan,1\n', /column 0 of row 0 is "nan"/],
  ['an infinite answer', 'a,y\n1,inf\n', /column y of row 0 is "inf"/],
  ['hexadecimal', '1,2\n0x10,3\n', /is "0x10"/],
  ['a number beyond float32', '1e39,2\n', /column 0 of row 0 is Infinity in float32/],
  ['a fractional label', 'a,label\n1,0.5\n', /column label of row 0 is 0.5; labels are integers/],
  ['a negative label', 'a,label\n1,-1\n', /label of row 0 is -1/],
  ['rows of other lengths', '1,2\n3\n', /Invalid Record Length: expect 2, got 1/],
  ['an open quote', 'a,b\n"1,2\n', /Quote Not Closed/],
  ['one column', '1\n2\n', /no feature columns/],
  ['a name twice', 'a,a,y\n1,2,3\n', /two columns are named "a"/],
  ['a header alone', 'a,b\n', /no rows/],
  ['nothing', '', /no rows/],
] as const) {
  test(`${what} is refused`, async () => {
    await assert.rejects(read(text), isDataError(message));
  });
}

test('a missing file is refused', async () => {
  await assert.rejects(readCsv(path.join(folder, 'none.csv'), {}), isDataError(/no such file/));
});

test('tables survive being written', async () => {
  const value = fc.float({ noNaN: true, noDefaultInfinity: true }).map((v) => v + 0);
  const tables = fc
    .integer({ min: 2, max: 5 })
    .chain((width) =>
      fc.array(fc.array(value, { minLength: width, maxLength: width }), { minLength: 1 }),
    );
  await fc.assert(
    fc.asyncProperty(tables, async (rows) => {
      const text = rows.map((row) => row.join(',')).join('\n');
      const found = await read(text, { answers: 'values' });
      assert.deepEqual(
        found.x,
        rows.map((row) => row.slice(0, -1)),
      );
      assert.deepEqual(
        found.values,
        rows.map((row) => row.slice(-1)),
      );
    }),
  );
});

test('cut and changed files are read or refused, never more', async () => {
  const text = Buffer.from('a,"b",label\n1,2.5e0,3\n-4,"5",1\n');
  for (let length = 0; length < text.length; length++) {
    writeFileSync(file, text.subarray(0, length));
    await readCsv(file, {}).catch((error: unknown) => {
      assert.ok(error instanceof DataError, String(error));
    });
  }
  await assertFlipsSurvived(file, text, () => readCsv(file, {}), 500);
});
