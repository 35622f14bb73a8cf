import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Blas, besideOneDnn } from './blas.js';

test('a transposed matrix times a vector is a product where the other library has nothing else for it', () => {
  const calls: unknown[] = [];
  const library = (name: string, gemv: Blas['gemv']): Blas => ({
    ...{ path: name, description: name, half: null, gemv },
    gemm: (transposeA, transposeB, m, n, k) => calls.push([name, transposeA, transposeB, m, n, k]),
  });
  const times = (other: Blas) => {
    const { gemv } = besideOneDnn(library('oneDNN', null), other);
    for (const transpose of [true, false]) gemv?.(transpose, 5, 3, 1, 0, 3, 0, 1, 0, 0, 1);
    return calls.splice(0);
  };
  const untransposed = ['oneDNN', false, false, 5, 1, 3];
  assert.deepEqual(times(library('other', null)), [['other', true, false, 3, 1, 5], untransposed]);
  const own = library('other', (transpose, rows) => calls.push(['gemv', transpose, rows]));
  assert.deepEqual(times(own), [['gemv', true, 5], untransposed]);
});
