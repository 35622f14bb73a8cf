import assert from 'node:assert/strict';
import { test } from 'node:test';
import { styleText } from 'node:util';
import {
  fillParagraphs,
  fitLine,
  formatPairs,
  formatTable,
  visibleWidth,
  wrapText,
} from './table.js';

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
  const [first, second] = formatPairs([
    [red, '1'],
    ['abcd', '2'],
  ]);
  assert.equal(visibleWidth(first ?? ''), visibleWidth(second ?? ''));
});

test('titles of a table that is too wide take more lines, then columns follow below', () => {
  const head = ['network', 'FLOPs per rank', 'bytes'];
  const rows = [['tensor', '1.00 GFLOP', '2.00 kB']];
  assert.deepEqual(formatTable(head, rows, 33), [
    '          FLOPs per',
    'network        rank    bytes',
    '─'.repeat(28),
    'tensor   1.00 GFLOP  2.00 kB',
  ]);
  const folded = formatTable(head, rows, 24);
  assert.ok(
    folded.every((line) => visibleWidth(line) <= 24),
    folded.join('\n'),
  );
  assert.deepEqual(
    folded.filter((line) => line.startsWith('tensor')),
    ['tensor   1.00 GFLOP', 'tensor   2.00 kB'],
  );
});

test('values wrap beside their names, at spaces', () => {
  assert.deepEqual(formatPairs([['name', 'one two three four five six']], { width: 27 }), [
    'name  one two three four',
    '      five six',
  ]);
  assert.deepEqual(wrapText('a/path/without/spaces and more', 8), [
    'a/path/without/spaces',
    'and more',
  ]);
  assert.deepEqual(wrapText('', 8), ['']);
});

test('a live line never wraps', () => {
  assert.equal(fitLine('abcdef', 6), 'abcdef');
  assert.equal(fitLine('━━━━━━━', 6), '━━━━━…');
});

test('paragraphs are filled again, and indented lines stay', () => {
  const text = 'one two three\nfour five\n\nas in\n  a  b\n\nsix';
  assert.equal(fillParagraphs(text, 14), 'one two three\nfour five\n\nas in\n  a  b\n\nsix');
  assert.equal(fillParagraphs(text, 9), 'one two\nthree\nfour five\n\nas in\n  a  b\n\nsix');
  assert.equal(fillParagraphs(text, 100), 'one two three four five\n\nas in\n  a  b\n\nsix');
});
