import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { literal, openDatabase } from './database.js';

test('rows of many groups and files come in their order, and by one thread', async (context) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'phantom-test-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const database = await openDatabase();
  context.after(() => database.close());
  await database.rows('set threads = 8');
  const files = ['a', 'b', 'c'].map((name) => literal(path.join(folder, `${name}.parquet`)));
  for (const [i, file] of files.entries()) {
    const rows = `range(${i * 20_000}, ${(i + 1) * 20_000}) as t(n)`;
    const groups = 'format parquet, row_group_size 2048';
    await database.rows(`copy (select n::DOUBLE as n from ${rows}) to ${file} (${groups})`);
  }
  const from = `read_parquet([${files.join(', ')}], union_by_name=true)`;
  let next = 0;
  for await (const { columns } of database.pieces(`select n from ${from} where n >= 0`)) {
    for (const value of columns[0] ?? []) assert.equal(value, next++);
  }
  assert.equal(next, 60_000);
  const [settings] = await database.rows(`select current_setting('threads') as threads`);
  assert.equal(Number(settings?.['threads']), 1);
});

test('gaps of numbers are NaN, wherever they are in a piece', async (context) => {
  const database = await openDatabase();
  context.after(() => database.close());
  const gap = (type: string, every: number) =>
    `case when n % ${every} = 1 then null else n end::${type}`;
  const sql = `select ${gap('FLOAT', 3)}, ${gap('DOUBLE', 65)}, n::FLOAT from range(5000) as t(n)`;
  let n = 0;
  for await (const { rows, columns } of database.pieces(sql)) {
    for (let row = 0; row < rows; row++, n++) {
      const expected = [n % 3 === 1 ? Number.NaN : n, n % 65 === 1 ? Number.NaN : n, n];
      assert.deepEqual(
        columns.map((values) => values[row]),
        expected,
      );
    }
  }
  assert.equal(n, 5000);
});
