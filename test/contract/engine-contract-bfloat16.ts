// The part of the engine contract that is about bfloat16: operands of products, and what kernels write
// for them. What is rounded on the way equals, bit for bit, what `encodeRows` makes of the float32
// result.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import * as fc from 'fast-check';
import { ShapeError } from '#src/base/errors.js';
import { type Activation, ACTIVATION_NAMES } from '#src/engines/activations.js';
import type { Engine } from '#src/engines/engine.js';
import { inPieces } from '#src/engines/pieces/pieces-engine.js';
import { asMatrix, bytesOf, type Matrix, matrixColumns, type Tensor } from '#src/tensor/tensor.js';

import { type Arrays, at, product, ROUNDING, type Subject } from './engine-contract-reference.js';

/** Rows, columns, inner size: around the kernels' blocks of 128, 512 and 256. */
const LARGE = [
  [1, 521, 300],
  [5, 9, 257],
  [130, 9, 515],
  [3, 1030, 19],
  [577, 64, 512],
] as const;
/** Rows and columns, some longer than what is rounded at a time. */
const SHAPES = [
  [0, 3],
  [1, 1],
  [5, 3],
  [4, 128],
  [2, 1031],
  [1, 2500],
] as const;

export function bfloat16Contract(subject: Subject): void {
  it('allocates bfloat16: two bytes a number, zeros, aligned', async () => {
    const engine = await subject.make();
    const before = engine.allocatedBytes;
    const tensor = engine.allocate([5, 13], 'bfloat16');
    const taken = engine.allocatedBytes - before;
    assert.ok(taken >= 130 && taken <= 1024, `${taken} bytes`);
    assert.equal(tensor.byteOffset % 64, 0);
    assert.deepEqual(engine.toHost(tensor).slice(), new Uint16Array(65));
    assert.equal(tensor.dtype, 'bfloat16');
    assert.match(engine.halfProducts, /^(native|emulated|widened)$/);
  });

  it('multiplies bfloat16 matrices in every transposition, stride and scale', async () => {
    const arrays = await subject.arrays(7);
    const sizes = { min: 1, max: 41 };
    const cases = fc.record({
      rows: fc.integer(sizes),
      columns: fc.integer(sizes),
      inner: fc.integer({ min: 0, max: 67 }),
      transposeA: fc.boolean(),
      transposeB: fc.boolean(),
      alpha: fc.constantFrom(0, 1, -2.25),
      beta: fc.constantFrom(0, 1, 0.5),
      margin: fc.integer({ min: 0, max: 5 }),
    });
    fc.assert(
      fc.property(cases, (c) => check(arrays, arrays.engine, c)),
      { numRuns: 200 },
    );
    arrays.checkGuards();
  });

  it('multiplies bfloat16 matrices larger than its blocks, single columns, and in pieces', async () => {
    const arrays = await subject.arrays(11);
    const pieces = inPieces(arrays.engine, () => undefined);
    for (const [rows, columns, inner] of [...LARGE, [40, 1, 300] as const]) {
      for (const flags of [0, 1, 2, 3]) {
        const [transposeA, transposeB] = [(flags & 1) === 1, (flags & 2) === 2];
        const c = { rows, columns, inner, transposeA, transposeB, alpha: 1, beta: flags % 2 };
        check(arrays, arrays.engine, { ...c, margin: flags });
      }
    }
    const flags = { transposeA: false, transposeB: true, alpha: 1, beta: 1, margin: 1 };
    check(arrays, pieces, { rows: 401, columns: 420, inner: 769, ...flags });
    arrays.checkGuards();
  });

  it('refuses operands of two dtypes', async () => {
    const engine = await subject.make();
    const [a, b] = [engine.allocate([4, 4]), engine.allocate([4, 4], 'bfloat16')];
    const c = asMatrix(engine.allocate([4, 4]));
    assert.throws(
      () => engine.gemm(false, false, 1, asMatrix(a), asMatrix(b), 0, c),
      (error) => error instanceof ShapeError && /float32.*bfloat16/.test(error.message),
    );
  });

  for (const kind of ACTIVATION_NAMES) {
    it(`rounds ${kind} and its gradient as they are written`, async () => {
      const arrays = await subject.arrays(5);
      for (const [rows, columns] of SHAPES) activation(arrays, kind, rows, columns);
      arrays.checkGuards();
    });
  }

  it('writes the bfloat16 copy of weights in the pass of the optimizer', async () => {
    const arrays = await subject.arrays(9);
    const { engine } = arrays;
    for (const n of [0, 1, 3, 129, 1024, 3001]) {
      const values = Array.from({ length: n }, () => arrays.random());
      const step = { learningRate: 0.1, weightDecay: 0.01, gradientScale: 0.5 };
      const sgd = { ...step, momentum: 0.9, nesterov: true };
      const adam = { ...step, ...ADAM };
      const gradient = arrays.tensor([n]);
      const state = () => arrays.tensor([n], () => 0.25);
      const updates = [
        (weights: Tensor, copy: Tensor<'bfloat16'> | null) =>
          arrays.sgdStep([{ weights, gradient, states: [], copy }], {
            ...{ ...sgd, momentum: 0, nesterov: false },
          }),
        (weights: Tensor, copy: Tensor<'bfloat16'> | null) =>
          arrays.sgdStep([{ weights, gradient, states: [state()], copy }], sgd),
        (weights: Tensor, copy: Tensor<'bfloat16'> | null) =>
          arrays.adamStep([{ weights, gradient, states: [state(), state()], copy }], adam),
      ];
      for (const update of updates) {
        const [plain, copied] = [0, 1].map(() => arrays.tensor([n], (i) => at(values, i)));
        assert(plain && copied);
        const copy = engine.allocate([n], 'bfloat16');
        const squares = at(update(plain, null), 0);
        arrays.closeSum(at(update(copied, copy), 0), squares, n, 'Σ gradient²');
        assert.deepEqual(arrays.of(copied), arrays.of(plain));
        assert.deepEqual(arrays.of(copy), rounded(engine, copied));
      }
    }
    arrays.checkGuards();
  });
}

const ADAM = {
  ...{ beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: true },
  ...{ biasCorrection1: 0.1, biasCorrection2: 0.001 },
};

interface Case {
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly alpha: number;
  readonly beta: number;
  readonly margin: number;
}

/** What `encodeRows` makes of it. */
function rounded(engine: Engine, x: Tensor): Uint16Array {
  const out = engine.allocate(x.shape, 'bfloat16');
  engine.encodeRows('bfloat16', x, bytesOf(out));
  return engine.toHost(out).slice();
}

/** Random numbers with 8 bits, in both dtypes. */
function operand(arrays: Arrays, rows: number, stride: number) {
  const wide = arrays.tensor([rows, stride]);
  const half = arrays.engine.allocate([rows, stride], 'bfloat16');
  arrays.engine.encodeRows('bfloat16', wide, bytesOf(half));
  arrays.engine.decodeRows('bfloat16', bytesOf(half), wide);
  return { wide, half };
}

function check(arrays: Arrays, engine: Engine, c: Case): void {
  const { rows, columns, inner, transposeA, transposeB, alpha, beta, margin } = c;
  const [rowsA, columnsA] = transposeA ? [inner, rows] : [rows, inner];
  const [rowsB, columnsB] = transposeB ? [columns, inner] : [inner, columns];
  const [strideA, strideB] = [Math.max(1, columnsA) + margin, Math.max(1, columnsB) + margin];
  const [a, b] = [operand(arrays, rowsA, strideA), operand(arrays, rowsB, strideB)];
  const old = Float32Array.from({ length: rows * columns }, () => arrays.random());
  const [out, ofWide] = [old, old].map((from) =>
    arrays.tensor([rows, columns], (i) => (beta === 0 ? NaN : at(from, i))),
  );
  assert(out && ofWide);
  const part = (t: Parameters<typeof asMatrix>[0], width: number): Matrix =>
    matrixColumns(asMatrix(t), 0, width);
  const multiply = (which: 'wide' | 'half', to: Tensor): void => {
    const [left, right] = [part(a[which], columnsA), part(b[which], columnsB)];
    engine.gemm(transposeA, transposeB, alpha, left, right, beta, asMatrix(to));
  };
  multiply('half', out);
  // WebAssembly widens on the way: not a bit differs from the float32 product of the same numbers.
  if (engine.name.startsWith('wasm')) {
    multiply('wide', ofWide);
    assert.deepEqual(arrays.of(out), arrays.of(ofWide), JSON.stringify(c));
  }
  const described = JSON.stringify(c);
  const [left, right, results] = [arrays.of(a.wide), arrays.of(b.wide), arrays.of(out)];
  for (let i = 0; i < rows * columns; i++) {
    const { sum, size } = product(
      [transposeA, left, strideA],
      [transposeB, right, strideB],
      inner,
      Math.floor(i / columns),
      i % columns,
    );
    const before = beta === 0 ? 0 : at(old, i);
    // As in float32, since products of two bfloat16 are exact there: a rounding for each sum.
    const absolute = (inner + 3) * ROUNDING * (Math.abs(alpha) * size + Math.abs(beta * before));
    const expected = alpha * sum + beta * before;
    arrays.close(at(results, i), expected, { absolute }, `c[${i}] of ${described}`);
  }
}

function activation(arrays: Arrays, kind: Activation, rows: number, columns: number): void {
  const { engine } = arrays;
  const shape = [rows, columns];
  const bias = arrays.tensor([rows]);
  const values = Array.from({ length: rows * columns }, () => 3 * arrays.random());
  const [z, same] = [0, 1].map(() => arrays.tensor(shape, (i) => at(values, i)));
  assert(z && same);
  const out = arrays.tensor(shape);
  engine.biasActivation(kind, z, bias, out);
  const half = engine.allocate(shape, 'bfloat16');
  engine.biasActivation(kind, same, bias, half);
  assert.deepEqual(arrays.of(same), arrays.of(z));
  assert.deepEqual(arrays.of(half), rounded(engine, out));

  const dOut = arrays.tensor(shape);
  const dz = arrays.tensor(shape);
  const dBias = arrays.tensor([rows], () => 0.5);
  engine.biasActivationGradient(kind, z, out, dOut, dz, 1, dBias);
  const expected = rounded(engine, dz);
  const biases = arrays.of(dBias);
  for (const given of [out, half]) {
    const written = engine.allocate(shape, 'bfloat16');
    const sums = arrays.tensor([rows], () => 0.5);
    engine.biasActivationGradient(kind, z, given, dOut, written, 1, sums);
    assert.deepEqual(arrays.of(written), expected, `${kind}, ${shape}`);
    for (const [row, sum] of arrays.of(sums).entries()) {
      // Sums of up to 1024 numbers are those of float32; longer ones come in parts.
      const absolute = columns * ROUNDING * columns;
      arrays.close(
        sum,
        at(biases, row),
        { absolute: columns > 1024 ? absolute : 0 },
        `dBias[${row}]`,
      );
    }
  }
  // From a rounded activation to a gradient that is not.
  const whole = arrays.tensor(shape);
  engine.biasActivationGradient(kind, z, half, dOut, whole, 0, null);
  assert.deepEqual(arrays.of(whole), arrays.of(dz));
}
