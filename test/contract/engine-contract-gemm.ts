// The part of the engine contract that is about matrix products.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import * as fc from 'fast-check';
import { inPieces } from '#src/engines/pieces/pieces-engine.js';
import type { Matrix, Tensor } from '#src/tensor/tensor.js';

import { type Arrays, at, product, ROUNDING, type Subject } from './engine-contract-reference.js';

interface Case {
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly alpha: number;
  readonly beta: number;
  /** Columns of the array around the matrix, beyond its own. */
  readonly margin: number;
}

const factor = fc.constantFrom(0, 1, -1, 0.5, -2.25);
const smallCase: fc.Arbitrary<Case> = fc.record({
  rows: fc.integer({ min: 1, max: 21 }),
  columns: fc.integer({ min: 1, max: 37 }),
  inner: fc.integer({ min: 0, max: 67 }),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  alpha: factor,
  beta: factor,
  margin: fc.integer({ min: 0, max: 5 }),
});

/** Sizes around the kernels' blocks: 4 rows, 8 columns, 128 rows, 512 columns, 256 inner. */
const LARGE: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 521, 300],
  [4, 8, 256],
  [5, 9, 257],
  [130, 9, 515],
  [3, 1030, 19],
  [131, 40, 1],
];

/** Large enough for pieces: of the inner size, of rows, of columns, of both. */
const IN_PIECES: readonly (readonly [number, number, number])[] = [
  [401, 420, 769],
  [2050, 255, 257],
  [255, 2051, 257],
  [2049, 2050, 33],
];

export function gemmContract(subject: Subject): void {
  it('multiplies random small matrices in every transposition, stride and scale', async () => {
    const arrays = await subject.arrays(7);
    fc.assert(
      fc.property(smallCase, (c) => check(arrays, c)),
      { numRuns: 400 },
    );
    arrays.checkGuards();
  });

  it('multiplies in pieces as it does in one', async () => {
    const arrays = await subject.arrays(13);
    const { engine } = arrays;
    let calls = 0;
    const pieces = inPieces(engine, () => calls++);
    for (const [index, [rows, columns, inner]] of IN_PIECES.entries()) {
      for (const flags of [index, 3 - index]) {
        const [transposeA, transposeB] = [(flags & 1) === 1, (flags & 2) === 2];
        const beta = flags === 1 ? 1 : 0;
        const random = (m: number, n: number) => matrix(arrays.tensor([m, n]), m, n, n);
        const a = transposeA ? random(inner, rows) : random(rows, inner);
        const b = transposeB ? random(columns, inner) : random(inner, columns);
        const [inOne, made] = [0, 1].map(() => arrays.tensor([rows, columns], (i) => i % 3));
        assert(inOne && made);
        engine.gemm(transposeA, transposeB, 1, a, b, beta, matrix(inOne, rows, columns, columns));
        calls = 0;
        pieces.gemm(transposeA, transposeB, 1, a, b, beta, matrix(made, rows, columns, columns));
        assert.ok(calls >= 2, `${rows} rows in ${calls} pieces`);
        // Elements of a and b are below one: each of the two sums is off by no more than half of it.
        const absolute = 2 * (inner + 3) * ROUNDING * (inner + 3);
        const expected = arrays.of(inOne);
        const worst = arrays
          .of(made)
          .reduce((most, x, i) => Math.max(most, Math.abs(x - at(expected, i))), 0);
        assert.ok(
          worst <= subject.tolerance * absolute,
          `${rows} × ${columns} × ${inner}, ${flags}: off by ${worst}`,
        );
      }
    }
    arrays.checkGuards();
  });

  it('multiplies single columns in every transposition, stride and scale', async () => {
    const arrays = await subject.arrays(8);
    fc.assert(
      fc.property(smallCase, (c) => check(arrays, { ...c, columns: 1 })),
      { numRuns: 200 },
    );
    arrays.checkGuards();
  });

  it('multiplies matrices larger than its blocks', async () => {
    const arrays = await subject.arrays(11);
    for (const [rows, columns, inner] of LARGE) {
      for (const flags of [0, 1, 2, 3]) {
        const transposeA = (flags & 1) === 1;
        const transposeB = (flags & 2) === 2;
        check(arrays, {
          rows,
          columns,
          inner,
          transposeA,
          transposeB,
          alpha: 1,
          beta: flags % 2,
          margin: flags,
        });
      }
    }
    arrays.checkGuards();
  });

  it('scales c when the inner size is zero, and clears it for beta = 0', async () => {
    const arrays = await subject.arrays();
    const a = arrays.tensor([0]);
    const c = arrays.tensor([3, 5], (i) => (i === 4 && subject.nonFinite ? NaN : i));
    const left: Matrix = {
      dtype: 'float32',
      byteOffset: a.byteOffset,
      rows: 3,
      columns: 0,
      stride: 0,
    };
    const right: Matrix = {
      dtype: 'float32',
      byteOffset: a.byteOffset,
      rows: 0,
      columns: 5,
      stride: 5,
    };
    arrays.engine.gemm(false, false, 1, left, right, 2, matrix(c, 3, 5, 5));
    const scaled = [0, 2, 4, 6, subject.nonFinite ? NaN : 8, 10];
    assert.deepEqual([...arrays.of(c).subarray(0, 6)], scaled);
    arrays.engine.gemm(false, false, 1, left, right, 0, matrix(c, 3, 5, 5));
    assert.deepEqual(
      [...arrays.of(c)],
      Array.from({ length: 15 }, () => 0),
    );
    arrays.checkGuards();
  });

  it('touches nothing when the result has no elements', async () => {
    const arrays = await subject.arrays();
    const a = arrays.tensor([4, 4]);
    const none: Matrix = {
      dtype: 'float32',
      byteOffset: a.byteOffset,
      rows: 0,
      columns: 4,
      stride: 4,
    };
    arrays.engine.gemm(false, false, 1, none, matrix(a, 4, 4, 4), 1, none);
    arrays.checkGuards();
  });

  it('passes NaN and infinity on to the rows and columns they belong to, and no further', async (t) => {
    if (!subject.nonFinite) return t.skip('this engine promises nothing of them');
    const arrays = await subject.arrays();
    const a = arrays.tensor([6, 10], (i) => (i === 23 ? NaN : 1));
    const b = arrays.tensor([10, 9], (i) => (i === 31 ? Infinity : 1));
    const c = arrays.tensor([6, 9]);
    arrays.engine.gemm(false, false, 1, matrix(a, 6, 10, 10), matrix(b, 10, 9, 9), 0, whole(c));
    for (const [i, actual] of arrays.of(c).entries()) {
      const expected = Math.floor(i / 9) === 2 ? NaN : i % 9 === 4 ? Infinity : 10;
      assert(Object.is(actual, expected), `element ${i} is ${actual}`);
    }
  });

  it('gives the same bits for the same operands wherever they lie', async () => {
    const arrays = await subject.arrays(3);
    const [m, n, k] = [37, 45, 333];
    const run = (): Float32Array => {
      const again = arrays.again(5);
      // A growing number of elements in front: each run has its own alignment.
      arrays.engine.allocate([1]);
      const shift = arrays.shift * runs++;
      const a = again.tensor([shift + m * k], (i) => (i < shift ? 0 : again.random()));
      const b = again.tensor([shift + n * k], (i) => (i < shift ? 0 : again.random()));
      const c = again.tensor([shift + m * n], () => 0);
      const from = (t: Tensor): Tensor => ({ ...t, byteOffset: t.byteOffset + 4 * shift });
      again.engine.gemm(false, true, 1, matrix(from(a), m, k, k), matrix(from(b), n, k, k), 0, {
        ...matrix(from(c), m, n, n),
      });
      return again.of(c).slice(shift);
    };
    let runs = 0;
    const first = run();
    for (let i = 0; i < 5; i++) assert.deepEqual(run(), first);
  });
}

function check(arrays: Arrays, c: Case): void {
  const { rows, columns, inner, transposeA, transposeB, alpha, beta, margin } = c;
  const strideA = Math.max(1, transposeA ? rows : inner) + margin;
  const strideB = Math.max(1, transposeB ? inner : columns) + margin;
  const strideC = columns + margin;
  const a = arrays.tensor([transposeA ? inner : rows, strideA]);
  const b = arrays.tensor([transposeB ? columns : inner, strideB]);
  const out = arrays.tensor([rows, strideC]);
  const old = arrays.of(out);
  if (beta === 0) {
    const unread = old.map((value, i) => (i % strideC < columns ? NaN : value));
    arrays.engine.toDevice(unread, out);
  }
  arrays.engine.gemm(
    transposeA,
    transposeB,
    alpha,
    transposeA ? matrix(a, inner, rows, strideA) : matrix(a, rows, inner, strideA),
    transposeB ? matrix(b, columns, inner, strideB) : matrix(b, inner, columns, strideB),
    beta,
    matrix(out, rows, columns, strideC),
  );
  const described = JSON.stringify(c);
  const [left, right, results] = [arrays.of(a), arrays.of(b), arrays.of(out)];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < strideC; j++) {
      const index = i * strideC + j;
      const actual = at(results, index);
      const before = at(old, index);
      if (j >= columns) {
        assert.equal(actual, before, `row ${i} was written past column ${columns}`);
        continue;
      }
      const { sum, size } = product(
        [transposeA, left, strideA],
        [transposeB, right, strideB],
        inner,
        i,
        j,
      );
      // Each of the inner products and sums rounds once at most, in any order and fused or not;
      // three more roundings for alpha, beta and their sum.
      const bound = (inner + 3) * ROUNDING * (Math.abs(alpha) * size + Math.abs(beta * before));
      const expected = alpha * sum + beta * before;
      arrays.close(actual, expected, { absolute: bound }, `c[${i}, ${j}] of ${described}`);
    }
  }
}

function matrix(t: Tensor, rows: number, columns: number, stride: number): Matrix {
  return { dtype: t.dtype, byteOffset: t.byteOffset, rows, columns, stride };
}

function whole(t: Tensor): Matrix {
  return matrix(t, t.shape[0] ?? 1, t.shape[1] ?? 1, t.shape[1] ?? 1);
}
