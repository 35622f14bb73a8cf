import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACTIVITIES } from '../base/step-trace.js';
import { readTimeline } from './recorded-timeline.js';

/** Of one rank, each list with so many numbers. */
function rankOf(rank: number, count: number): unknown {
  const list = Array.from({ length: count }, (_, i) => i);
  const names = [...ACTIVITIES, 'hidden'].map((name) => [`${name}Us`, list]);
  return { rank, ...Object.fromEntries(names) };
}

test('a timeline is read that has no more than a run writes', () => {
  const ranks = (count: number, numbers: number) =>
    Array.from({ length: count }, (_, rank) => rankOf(rank, numbers));
  assert.deepEqual(readTimeline(3, ranks(16, 320)), { step: 3, ranks: ranks(16, 320) });
  assert.equal(readTimeline(3, ranks(17, 2)), null);
  assert.equal(readTimeline(3, [rankOf(0, 322)]), null);
  assert.equal(readTimeline(3, [rankOf(0, 3)]), null);
});
