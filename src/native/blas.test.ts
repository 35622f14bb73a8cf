import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Blas, besideOneDnn } from './blas.js';

const calls: unknown[] = [];
const library = (name: string, gemv: Blas['gemv']): Blas => ({
  ...{ path: name, description: name, half: null, gemv },
  gemm: (transposeA, transposeB, m, n, k) => calls.push([name, transposeA, transposeB, m, n, k]),
});

test('a transposed matrix times a vector is a product where the other library has nothing else for it', () => {
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

test('products that oneDNN makes slowly are made by the other library', () => {
  const { gemm } = besideOneDnn(library('oneDNN', null), library('other', null));
  const made = (
    transposeA: boolean,
    transposeB: boolean,
    [m, n, stride]: [number, number, number],
  ) => {
    gemm(transposeA, transposeB, m, n, 300, 1, 0, 300, 0, stride, 0, 0, n);
    const [call] = calls.splice(0) as [[string]];
    return call[0];
  };
  assert.equal(made(true, false, [600, 128, 128]), 'other');
  assert.equal(made(false, false, [512, 512, 512]), 'other');
  assert.equal(made(false, false, [192, 700, 768]), 'other');
  assert.equal(made(false, false, [513, 512, 512]), 'oneDNN');
  assert.equal(made(false, false, [512, 511, 512]), 'oneDNN');
  assert.equal(made(false, false, [512, 512, 516]), 'oneDNN');
  assert.equal(made(false, true, [512, 512, 512]), 'oneDNN');
});
