import assert from 'node:assert/strict';
import { test } from 'node:test';
import { styleText } from 'node:util';
import { fitLine, formatPairs, formatTable, visibleWidth } from './table.js';

test('columns are as wide as their widest cell, and numbers end below one another', () => {
  assert.deepEqual(
    formatTable(
      ['', 'a', 'ratio'],
      [
        ['loss', '0.5', '1.00×'],
        ['step', '12.25', ''],
      ],
    ),
    ['           a   ratio', '────────────────────', 'loss     0.5   1.00×', 'step   12.25'],
  );
});

test('escape sequences take no room', () => {
  const red = styleText('red', 'abc', { validateStream: false });
  assert.equal(visibleWidth(red), 3);
  const [first, second] = formatPairs(
    [
      [red, '1'],
      ['abcd', '2'],
    ],
    '',
  );
  assert.equal(visibleWidth(first ?? ''), visibleWidth(second ?? ''));
});

test('a live line never wraps', () => {
  assert.equal(fitLine('abcdef', 6), 'abcdef');
  assert.equal(fitLine('━━━━━━━', 6), '━━━━━…');
});
