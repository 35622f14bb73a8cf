import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachOnce } from './each-once.js';

test('a message is handed on once', () => {
  const taken: string[] = [];
  const tell = eachOnce((message) => taken.push(message));
  for (const message of ['a', 'b', 'a', 'a', 'c', 'b']) tell(message);
  assert.deepEqual(taken, ['a', 'b', 'c']);
});
