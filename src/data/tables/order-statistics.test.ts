import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mediansOf, orderStatistics } from './order-statistics.js';
import { MemoryStore } from './row-store.js';

/** By sorting. */
function medianOf(values: readonly number[]): number {
  const sorted = Float32Array.from(values.filter((value) => !Number.isNaN(value))).toSorted();
  const half = sorted.length / 2;
  if (sorted.length === 0) return 0;
  const [lower, upper] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]] as [
    number,
    number,
  ];
  return (lower + upper) / 2;
}

test('medians are those of the sorted values, for any numbers and gaps', () => {
  const float = fc.oneof(
    fc.float({ noDefaultInfinity: true }),
    fc.constantFrom(Number.NaN, 0, -0, 1, 1 + 2 ** -23, -(2 ** -149), -3e38, 3e38),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(float, float, float), { maxLength: 40 }), (rows) => {
      const store = new MemoryStore(3, rows.length);
      for (const row of rows) store.append(Float32Array.from(row));
      const expected = [2, 0].map((place) => medianOf(rows.map((row) => row[place] ?? 0)));
      assert.deepEqual(
        mediansOf(store, [2, 0]).map((value) => value + 0),
        expected.map((value) => value + 0),
      );
    }),
  );
});

test('medians of more rows than a piece holds', () => {
  const rows = 300_001;
  const store = new MemoryStore(1, rows);
  for (let i = 0; i < rows; i++) store.append(Float32Array.of((i * 7919) % rows));
  assert.deepEqual(mediansOf(store, [0]), [150_000]);
});

test('values of ranks are those of the sorted values, rows without one left out', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.float({ noNaN: true }), fc.boolean())), (rows) => {
      const store = new MemoryStore(3, rows.length);
      for (const [value, gap] of rows) store.append(Float32Array.of(7, value, Number(gap)));
      const sorted = Float32Array.from(rows.flatMap(([value, gap]) => (gap ? [] : [value])));
      sorted.sort();
      const all = (count: number) => Array.from({ length: count }, (_, i) => i);
      const columns = [
        { place: 0, gaps: false },
        { place: 1, gaps: true },
      ];
      // Of more ranks than counters each column has passes of its own.
      for (const most of [2, 9000]) {
        const found = orderStatistics(store, columns, most, all);
        assert.deepEqual(found, [rows.map(() => 7), [...sorted]]);
      }
    }),
    { numRuns: 30 },
  );
});
