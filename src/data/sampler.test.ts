import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createSampler, type Sampler } from './sampler.js';

const counts = fc.integer({ min: 1, max: 60 });
const seeds = fc.nat();

function take(sampler: Sampler, first: number, count: number): number[] {
  const out = new Float64Array(count);
  sampler.rowsAt(first, out);
  return [...out];
}

test('every epoch visits every row once', () => {
  fc.assert(
    fc.property(counts, seeds, fc.boolean(), fc.nat(1000), (rows, seed, shuffle, epoch) => {
      const visited = take(createSampler(rows, seed, shuffle), epoch * rows, rows);
      assert.deepEqual(
        visited.toSorted((a, b) => a - b),
        Array.from({ length: rows }, (_, i) => i),
      );
    }),
  );
});

test('a batch is the same piece of the stream wherever reading starts', () => {
  fc.assert(
    fc.property(counts, seeds, counts, fc.nat(50), (rows, seed, batch, step) => {
      const fromStart = take(createSampler(rows, seed, true), 0, (step + 1) * batch);
      const resumed = take(createSampler(rows, seed, true), step * batch, batch);
      assert.deepEqual(resumed, fromStart.slice(step * batch));
    }),
  );
});

test('without shuffling, batch t is rows tB … tB+B−1, wrapping', () => {
  const sampler = createSampler(5, 1, false);
  assert.deepEqual(take(sampler, 0, 3), [0, 1, 2]);
  assert.deepEqual(take(sampler, 3, 3), [3, 4, 0]);
  assert.deepEqual(take(sampler, 6, 3), [1, 2, 3]);
});

test('epochs and seeds have orders of their own', () => {
  const sampler = createSampler(40, 1, true);
  const first = take(sampler, 0, 40);
  assert.notDeepEqual(take(sampler, 40, 40), first);
  assert.notDeepEqual(take(createSampler(40, 2, true), 0, 40), first);
  assert.deepEqual(take(sampler, 0, 40), first);
});

test('a stream without end is visited in order', () => {
  assert.deepEqual(take(createSampler(Infinity, 1, true), 2 ** 40, 2), [2 ** 40, 2 ** 40 + 1]);
});

test('a sampler needs a row', () => {
  assert.throws(() => createSampler(0, 1, true), RangeError);
});
