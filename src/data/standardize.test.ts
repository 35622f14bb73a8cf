import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { sharedFloat32, sharedUint8, type TableDataset } from './dataset.js';
import { applyStandardization, fitStandardization } from './standardize.js';
import { teacherParts } from './synthetic/teacher.js';
import { DEFAULT_TEACHER } from './synthetic/teacher-spec.js';

function table(x: TableDataset['x'], rows: number, imageLike = false): TableDataset {
  const answers = { kind: 'values', width: 1, values: sharedFloat32(rows) } as const;
  return { kind: 'table', name: 't', rows, features: x.length / rows, imageLike, x, answers };
}

test('numeric features end with mean 0 and deviation 1, each by itself', () => {
  const value = fc.float({ min: -1000, max: 1000, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(value, value), { minLength: 2, maxLength: 50 }), (list) => {
      const x = Float32Array.from(list.flat());
      const fitted = fitStandardization(table(x, list.length), 'on');
      assert.ok(fitted);
      const result = x.slice();
      applyStandardization(fitted, result);
      for (const feature of [0, 1]) {
        const column = result.filter((_, i) => i % 2 === feature);
        const before = x.filter((_, i) => i % 2 === feature);
        const mean = column.reduce((sum, v) => sum + v, 0) / column.length;
        const variance = column.reduce((sum, v) => sum + (v - mean) ** 2, 0) / column.length;
        const spread = Math.max(...before) - Math.min(...before);
        if (spread === 0) assert.equal(fitted.scale[feature], 1);
        // The mean is kept in float32: what is left of it is its rounding over the deviation.
        else if (spread > 1) {
          assert.ok(Math.abs(mean) < 1e-2, `mean ${mean}`);
          assert.ok(Math.abs(variance - 1) < 1e-2, `variance ${variance}`);
        }
      }
    }),
  );
});

test('a constant feature becomes zero, even where its mean rounds', () => {
  const x = new Float32Array(3000).fill(0.1);
  const fitted = fitStandardization(table(x, 3000), 'on');
  assert.ok(fitted);
  assert.equal(fitted.scale[0], 1);
  applyStandardization(fitted, x);
  assert.ok(x.every((value) => Math.abs(value) < 1e-8));
});

test('images get one mean and scale over all pixels', () => {
  const x = sharedUint8(4);
  x.set([0, 10, 20, 30]);
  const fitted = fitStandardization(table(x, 2, true), 'auto');
  assert.deepEqual([...(fitted?.mean ?? [])], [15, 15]);
  assert.deepEqual(
    [...(fitted?.scale ?? [])],
    [Math.fround(Math.sqrt(125)), Math.fround(Math.sqrt(125))],
  );
});

test('auto leaves numbers as they are, off leaves images as they are', () => {
  assert.equal(fitStandardization(table(new Float32Array(4), 2), 'auto'), null);
  assert.equal(fitStandardization(table(sharedUint8(4), 2, true), 'off'), null);
});

test('feature-major values are standardized alike', () => {
  const fitted = { mean: Float32Array.of(1, 2), scale: Float32Array.of(2, 4) };
  const rows = Float32Array.of(1, 2, 3, 6, 5, 10);
  const columns = Float32Array.of(1, 3, 5, 2, 6, 10);
  applyStandardization(fitted, rows);
  applyStandardization(fitted, columns, true);
  assert.deepEqual([...rows], [0, 0, 1, 1, 2, 2]);
  assert.deepEqual([...columns], [0, 1, 2, 0, 1, 2]);
});

test('a teacher is not standardized', () => {
  const { training } = teacherParts(DEFAULT_TEACHER);
  assert.equal(fitStandardization(training, 'auto'), null);
  assert.throws(() => fitStandardization(training, 'on'), /mean 0 and variance 1/);
});
