import assert from 'node:assert/strict';
import path from 'node:path';
import { it } from 'node:test';
import { openDatabase, literal } from '#src/data/tables/database.js';
import { readTable } from '#src/data/tables/read-table.js';
import { temporaryFolder } from '../support/files.js';

/** More than threads can read without meeting. */
const ROWS = 40_000;

it('rows keep the order of their file, which several threads read', async (context) => {
  const folder = temporaryFolder(context);
  const files = ['rows.parquet', 'rows.csv'].map((name) => path.join(folder, name));
  const database = await openDatabase();
  const rows = `select i as a, i % 3 as y from range(${ROWS}) as r(i)`;
  await database.rows(`copy (${rows}) to ${literal(files[0] ?? '')} (row_group_size 2048)`);
  await database.rows(`copy (${rows}) to ${literal(files[1] ?? '')}`);
  database.close();
  const query = `select * from ${literal(files[0] ?? '')} where y in (0, 1, 2, 3, 4, 5, 6, 7)`;
  for (const from of [...files, query]) {
    const { training } = (await readTable(from, { targets: ['y'], standardize: false })).parts;
    assert.equal(training.kind, 'records');
    if (training.kind !== 'records') continue;
    const source = training.source as Float32Array;
    const { record } = training;
    const firsts = Float32Array.from({ length: ROWS }, (_, row) => source[row * record] ?? -1);
    assert.deepEqual(
      firsts,
      Float32Array.from({ length: ROWS }, (_, row) => row),
      from,
    );
  }
});
