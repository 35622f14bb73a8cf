// The part of the engine contract that is about dropout.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import type { DropoutMask } from '#src/engines/engine.js';
import { tensorRows } from '#src/tensor/tensor.js';

import { dropoutFactor } from '../reference/dropout.js';
import { at, type Subject } from './engine-contract-reference.js';

const MASK: DropoutMask = {
  ...{ rate: 0.3, key: [0x9a3b_77c1, 12_345], step: 4_000_000_007, layer: 5 },
  ...{ firstRow: 0, firstColumn: 0 },
};
const SHAPES = [
  ...([
    [0, 3],
    [3, 0],
    [1, 1],
    [5, 1],
  ] as const),
  ...([
    [3, 3],
    [9, 4],
    [6, 13],
    [2, 131],
  ] as const),
];

export function dropoutContract(subject: Subject): void {
  it('drops the elements of the reference and scales the others, wherever a part begins', async () => {
    const arrays = await subject.arrays();
    for (const [rows, columns] of SHAPES) {
      for (const [firstRow, firstColumn] of [
        [0, 0],
        [7, 2],
        [4_294_000_002, 4_294_000_001],
      ] as const) {
        for (const rate of [0, 0.3, 0.999]) {
          const mask = { ...MASK, rate, firstRow, firstColumn };
          const x = arrays.tensor([rows, columns]);
          const out = arrays.tensor([rows, columns]);
          arrays.engine.dropout(x, mask, out);
          const scale = Math.fround(1 / (1 - rate));
          const [before, after] = [arrays.of(x), arrays.of(out)];
          for (const [i, value] of before.entries()) {
            const [row, column] = [firstRow + Math.floor(i / columns), firstColumn + (i % columns)];
            const kept = dropoutFactor(mask, mask.layer, row, column) > 0;
            const expected = kept ? Math.fround(value * scale) : 0;
            assert.equal(at(after, i), expected, `${row}, ${column} of ${rows}×${columns}`);
          }
          arrays.engine.dropout(x, mask, x);
          assert.deepEqual(arrays.of(x), after, 'in place');
        }
      }
    }
    arrays.checkGuards();
  });

  it('keeps means and multiplies squares by 1/(1 − p), and other draws drop others', async () => {
    const arrays = await subject.arrays();
    const { engine } = arrays;
    const [rows, columns] = [257, 509];
    const [x, out] = [engine.allocate([rows, columns]), engine.allocate([rows, columns])];
    engine.fill(x, 1);
    const n = rows * columns;
    const kept: Uint8Array[] = [];
    const others: DropoutMask[] = [
      MASK,
      { ...MASK, step: MASK.step + 1 },
      { ...MASK, layer: MASK.layer + 1 },
      { ...MASK, key: [MASK.key[0] + 1, MASK.key[1]] },
      { ...MASK, key: [MASK.key[0], MASK.key[1] + 1] },
    ];
    // Five standard deviations of a mean of n draws, and of a correlation of two.
    const most = 5 / Math.sqrt(n);
    for (const mask of others) {
      engine.dropout(x, mask, out);
      const share = arrays.sumOfSquares(out) * (1 - mask.rate) ** 2;
      assert.ok(Math.abs(share / n - (1 - mask.rate)) < most * 0.5, `${share / n} kept`);
      const dropped = engine.toHost(out);
      const mean = dropped.reduce((sum, value) => sum + value, 0) / n;
      assert.ok(Math.abs(mean - 1) < most, `mean ${mean}`);
      kept.push(Uint8Array.from(dropped, (value) => (value === 0 ? 0 : 1)));
    }
    const correlation = (a: Uint8Array, b: Uint8Array, shift: number) => {
      let sum = 0;
      for (let i = shift; i < n; i++) sum += (at(a, i) - 0.7) * (at(b, i - shift) - 0.7);
      return sum / n / 0.21;
    };
    for (const [i, a] of kept.entries()) {
      for (const [j, b] of kept.entries()) {
        if (j > i) assert.ok(Math.abs(correlation(a, b, 0)) < most, `draws ${i} and ${j}`);
      }
      // Neighbors in a row, and rows below one another.
      for (const shift of [1, 4, columns, 4 * columns]) {
        assert.ok(Math.abs(correlation(a, a, shift)) < most, `draw ${i} at ${shift}`);
      }
    }
  });

  it('gives the parts of a matrix what the whole has', async () => {
    const engine = await subject.make();
    const whole = engine.allocate([22, 9]);
    const parts = engine.allocate([22, 9]);
    engine.fill(whole, 2);
    engine.fill(parts, 2);
    engine.dropout(whole, MASK, whole);
    for (const [from, rows] of [
      [0, 3],
      [3, 10],
      [13, 9],
    ] as const) {
      const part = tensorRows(parts, from, rows);
      engine.dropout(part, { ...MASK, firstRow: from }, part);
    }
    assert.deepEqual(engine.toHost(parts), engine.toHost(whole));
  });
}
