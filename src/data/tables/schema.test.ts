import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summarize, type TableSchema } from './schema.js';

const number = (name: string) =>
  ({ name, kind: 'number', style: null, gaps: false, median: 0, min: 0, max: 1 }) as const;

test('a summary names some of many targets, and says a reason once', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const schema: TableSchema = {
    version: 1,
    task: 'regress',
    features: [number('x')],
    targets: names.map((name) => ({ name, kind: 'number', style: null, mean: 0, scale: 1 })),
    id: null,
    dropped: [
      ...['p', 'q', 'r', 's', 't'].map((name) => ({ name, why: 'ignored' })),
      { name: 'u', why: 'always 1' },
    ],
  };
  assert.equal(
    summarize(schema),
    'predicts a, b, c, d, e and 2 more (regression) from 7 columns: 1 numeric, ' +
      '6 dropped (p, q, r and 2 more: ignored; u: always 1)',
  );
});
