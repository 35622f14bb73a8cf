// The part of the engine contract that is about element-wise kernels.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import type { Activation } from '#src/engines/activations.js';

import { REFERENCE_ACTIVATIONS } from '../reference/activations.js';
import { at, ROUNDING, type Subject } from './engine-contract-reference.js';

/** Rows and columns: empty, single, odd, a multiple of the vector, longer than any unrolling. */
const SHAPES: readonly (readonly [number, number])[] = [
  ...([
    [0, 3],
    [3, 0],
    [1, 1],
    [5, 1],
    [37, 1],
    [3, 3],
  ] as const),
  ...([
    [2, 4],
    [7, 13],
    [4, 128],
    [2, 1031],
  ] as const),
];
const COUNTS = [0, 1, 3, 4, 5, 15, 16, 17, 63, 64, 67, 1000];
const KINDS = Object.keys(REFERENCE_ACTIVATIONS) as Activation[];

// Absolute error, as a share of max(1, |x|), of values and slopes of order 1. For gelu the
// contract allows 2e-7 for erf, of which x/2 times arrives in the value; the slope adds the
// density. The others are a few roundings of 6e-8.
const TOLERANCE = 4e-7;

export function elementwiseContract(subject: Subject): void {
  for (const kind of KINDS) activationContract(kind, subject);
  relativeAccuracy(subject);

  it('adds, also onto either operand', async () => {
    const arrays = await subject.arrays();
    for (const n of COUNTS) {
      const a = arrays.tensor([n]);
      const b = arrays.tensor([n]);
      const out = arrays.tensor([n]);
      const [x, y] = [arrays.of(a), arrays.of(b)];
      const expected = x.map((value, i) => value + at(y, i));
      arrays.engine.add(a, b, out);
      assert.deepEqual(arrays.of(out), expected);
      arrays.engine.add(a, b, b);
      assert.deepEqual(arrays.of(b), expected);
      const twice = x.map((value) => 2 * value);
      arrays.engine.add(a, a, a);
      assert.deepEqual(arrays.of(a), twice);
    }
    arrays.checkGuards();
  });

  it('multiplies, also onto either operand', async () => {
    const arrays = await subject.arrays();
    for (const n of COUNTS) {
      const [a, b, out] = [arrays.tensor([n]), arrays.tensor([n]), arrays.tensor([n])];
      const [x, y] = [arrays.of(a), arrays.of(b)];
      const expected = x.map((value, i) => value * at(y, i));
      arrays.engine.multiply(a, b, out);
      assert.deepEqual(arrays.of(out), expected);
      arrays.engine.multiply(a, b, b);
      assert.deepEqual(arrays.of(b), expected);
      const squares = x.map((value) => value * value);
      arrays.engine.multiply(a, a, a);
      assert.deepEqual(arrays.of(a), squares);
    }
    arrays.checkGuards();
  });

  it('scales, fills, copies and adds a multiple', async () => {
    const arrays = await subject.arrays();
    for (const n of COUNTS) {
      const x = arrays.tensor([n]);
      const y = arrays.tensor([n]);
      const [oldX, oldY] = [arrays.of(x), arrays.of(y)];
      arrays.engine.axpy(-1.7, x, y);
      const sums = arrays.of(y);
      for (let i = 0; i < n; i++) {
        // Two roundings, of alpha · x and of the sum, and one of alpha itself.
        const bound = 3 * ROUNDING * (1.7 * Math.abs(at(oldX, i)) + Math.abs(at(oldY, i)));
        arrays.close(at(sums, i), at(oldY, i) - 1.7 * at(oldX, i), { absolute: bound }, `y[${i}]`);
      }
      arrays.engine.scale(0.25, x);
      assert.deepEqual(
        arrays.of(x),
        oldX.map((value) => 0.25 * value),
      );
      arrays.engine.copy(x, y);
      assert.deepEqual(arrays.of(y), arrays.of(x));
      arrays.engine.fill(y, -2.5);
      assert(arrays.of(y).every((value) => value === -2.5));
    }
    arrays.checkGuards();
  });

  it('sums and scales columns', async () => {
    const arrays = await subject.arrays();
    const { engine } = arrays;
    for (const [rows, columns] of SHAPES) {
      const [a, b] = [arrays.tensor([rows, columns]), arrays.tensor([rows, columns])];
      const [dots, factors] = [arrays.tensor([columns]), arrays.tensor([columns])];
      engine.columnDots(a, b, dots);
      const [as, bs, sumsOfDots] = [arrays.of(a), arrays.of(b), arrays.of(dots)];
      const rounded = subject.float64Sums ? 2 : rows + 2;
      for (let c = 0; c < columns; c++) {
        let [sum, size] = [0, 0];
        for (let r = 0; r < rows; r++) {
          const product = at(as, r * columns + c) * at(bs, r * columns + c);
          sum += product;
          size += Math.abs(product);
        }
        const absolute = rounded * ROUNDING * size;
        arrays.close(at(sumsOfDots, c), sum, { absolute }, `dots[${c}] of ${rows}`);
      }
      const [scaled, sums] = [arrays.tensor([rows, columns]), arrays.tensor([rows, columns])];
      const [before, by] = [arrays.of(sums), arrays.of(factors)];
      engine.scaleColumns(a, factors, scaled);
      engine.addScaledColumns(a, factors, sums);
      const [products, added] = [arrays.of(scaled), arrays.of(sums)];
      for (const [i, x] of as.entries()) {
        const product = x * at(by, i % columns);
        assert.equal(at(products, i), Math.fround(product));
        const absolute = 3 * ROUNDING * (Math.abs(product) + Math.abs(at(before, i)));
        arrays.close(at(added, i), at(before, i) + product, { absolute }, `sums[${i}]`);
      }
      engine.scaleColumns(a, factors, a);
      assert.deepEqual(arrays.of(a), products);

      const [squares, inverse] = [
        arrays.tensor([rows, columns], () => arrays.random() ** 2),
        arrays.tensor([columns]),
      ];
      const correction = arrays.tensor([columns]);
      engine.inverseRms(squares, 3, inverse);
      engine.rmsCorrection(dots, inverse, 3, correction);
      const [parts, inverses] = [arrays.of(squares), arrays.of(inverse)];
      const corrections = arrays.of(correction);
      for (let c = 0; c < columns; c++) {
        let sum = 0;
        for (let r = 0; r < rows; r++) sum += at(parts, r * columns + c);
        const expected = 1 / Math.sqrt(sum / 3 + 1e-6);
        const relative = rounded * ROUNDING;
        arrays.close(at(inverses, c), expected, { relative }, `inverse[${c}]`);
        const corrected = (-at(sumsOfDots, c) * at(inverses, c) ** 3) / 3;
        arrays.close(at(corrections, c), corrected, { relative }, `correction[${c}]`);
      }
    }
    arrays.checkGuards();
  });

  it('sums squares in float64', async () => {
    const arrays = await subject.arrays();
    for (const n of COUNTS) {
      const scale = subject.float64Sums ? 1e20 : 1;
      const x = arrays.tensor([n], () => scale * arrays.random());
      const expected = arrays.of(x).reduce((sum, value) => sum + value * value, 0);
      arrays.closeSum(arrays.sumOfSquares(x), expected, n, `Σ of ${n}`);
    }
    if (subject.float64Sums) {
      const huge = arrays.tensor([9], () => 3e38);
      arrays.closeSum(arrays.sumOfSquares(huge), 9 * Math.fround(3e38) ** 2, 9, 'Σ');
    }
    const many = [3, 0, 70_000, 1, 300].map((n) => arrays.tensor([n], () => arrays.random()));
    const together = arrays.scalars(many.length, (slots, i) =>
      arrays.engine.sumsOfSquares(many, slots, i),
    );
    const each = many.map((x) => arrays.sumOfSquares(x));
    assert(
      together.every((sum, i) => Object.is(sum, each[i])),
      `${together}, each ${each}`,
    );
    if (!subject.nonFinite) return;
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (let place = 0; place < 21; place++) {
        const x = arrays.tensor([21], (i) => (i === place ? bad : 1));
        assert(!Number.isFinite(arrays.sumOfSquares(x)), `${bad} at ${place} was lost`);
      }
    }
  });
}

/** Where values are small the absolute bound says nothing: near zero, and on the left where they
 * vanish. The bound is 4 units in the last place, for silu down to −86, where it ends; for gelu what its tail
 * is promised to have down to −5. */
function relativeAccuracy(subject: Subject): void {
  const bounds = { tanh: 2.4e-7, silu: 2.4e-7, elu: 2.4e-7, gelu: 1e-4 } as const;
  for (const kind of ['tanh', 'silu', 'elu', 'gelu'] as const) {
    const relative = bounds[kind];
    it(`keeps the digits of small values of ${kind}`, async () => {
      const arrays = await subject.arrays();
      const count = 4000;
      const z = arrays.tensor([1, count], (i) => {
        const size = 10 ** (-8 + (8.69 * (i >> 1)) / (count / 2));
        return i % 2 === 0 && kind !== 'silu' ? size : -size * (kind === 'silu' ? 16 : 1);
      });
      const out = arrays.tensor([1, count]);
      arrays.engine.biasActivation(kind, z, null, out);
      const outputs = arrays.of(out);
      for (const [i, x] of arrays.of(z).entries()) {
        const expected = REFERENCE_ACTIVATIONS[kind].value(x);
        arrays.close(at(outputs, i), expected, { relative }, `${kind}(${x})`);
      }
    });
  }
}

function activationContract(kind: Activation, subject: Subject): void {
  const { value, slope } = REFERENCE_ACTIVATIONS[kind];

  it(`adds the bias and applies ${kind}`, async () => {
    const arrays = await subject.arrays();
    for (const [rows, columns] of SHAPES) {
      for (const inPlace of [false, true]) {
        for (const withBias of [false, true]) {
          const z = arrays.tensor([rows, columns], () => 6 * arrays.random());
          const bias = withBias ? arrays.tensor([rows]) : null;
          const out = inPlace ? z : arrays.tensor([rows, columns]);
          const biases = bias === null ? null : arrays.of(bias);
          const sums = arrays
            .of(z)
            .map((x, i) => (biases === null ? x : x + at(biases, Math.floor(i / columns))));
          arrays.engine.biasActivation(kind, z, bias, out);
          const outputs = arrays.of(out);
          if (!inPlace) assert.deepEqual(arrays.of(z), sums, 'z is not the biased input');
          for (const [i, x] of sums.entries()) {
            const absolute = TOLERANCE * Math.max(1, Math.abs(x));
            arrays.close(at(outputs, i), value(x), { absolute }, `${kind}(${x})`);
          }
        }
      }
    }
    arrays.checkGuards();
  });

  it(`passes extreme inputs through ${kind}`, async () => {
    const arrays = await subject.arrays();
    const inputs = [0, -0, 1e-30, -1e-30, 1e-3, 20, -20, 90, -90, 1e4, -1e4, 1e38, -1e38];
    const z = arrays.tensor([1, inputs.length], (i) => at(inputs, i));
    const out = arrays.tensor([1, inputs.length]);
    arrays.engine.biasActivation(kind, z, null, out);
    const outputs = arrays.of(out);
    for (const [i, x] of inputs.entries()) {
      if (kind === 'sine' && Math.abs(x) > 1e4) {
        assert.ok(Math.abs(at(outputs, i)) <= 1, `${kind}(${x})`);
        continue;
      }
      const expected = Math.fround(value(x));
      const absolute = TOLERANCE * Math.max(Math.abs(expected), Math.min(1, Math.abs(x)));
      arrays.close(at(outputs, i), expected, { absolute }, `${kind}(${x})`);
    }
    if (!subject.nonFinite) return;
    for (let place = 0; place < 7; place++) {
      const bad = arrays.tensor([1, 7], (i) => (i === place ? NaN : 1));
      arrays.engine.biasActivation(kind, bad, null, bad);
      const isNaN = [...arrays.of(bad)].map(Number.isNaN);
      assert.deepEqual(isNaN.indexOf(true), place);
      assert.equal(isNaN.lastIndexOf(true), place);
    }
    const infinite = arrays.tensor([1, 1], () => Infinity);
    arrays.engine.biasActivation(kind, infinite, null, infinite);
    const limits: Partial<Record<Activation, number>> = { tanh: 1, sine: NaN };
    assert.equal(arrays.of(infinite)[0], limits[kind] ?? Infinity);
  });

  it(`multiplies by the slope of ${kind} and sums rows for the bias`, async () => {
    const arrays = await subject.arrays();
    for (const [rows, columns] of SHAPES) {
      for (const [betaBias, inPlace] of [
        [0, false],
        [1, true],
        [-0.5, false],
      ] as const) {
        const z = arrays.tensor([rows, columns], () => 6 * arrays.random());
        const out = arrays.tensor([rows, columns]);
        arrays.engine.biasActivation(kind, z, null, out);
        const dOut = arrays.tensor([rows, columns]);
        const dz = inPlace ? dOut : arrays.tensor([rows, columns]);
        const dBias = arrays.tensor([rows], betaBias === 0 ? () => NaN : undefined);
        const [oldOut, oldBias] = [arrays.of(dOut), arrays.of(dBias)];
        arrays.engine.biasActivationGradient(kind, z, out, dOut, dz, betaBias, dBias);
        const [zs, slopes, sums] = [arrays.of(z), arrays.of(dz), arrays.of(dBias)];
        for (const [i, d] of slopes.entries()) {
          const expected = at(oldOut, i) * slope(at(zs, i));
          arrays.close(d, expected, { absolute: TOLERANCE }, `${kind}′(${at(zs, i)})`);
        }
        for (let r = 0; r < rows; r++) {
          const row = slopes.subarray(r * columns, (r + 1) * columns);
          const start = betaBias === 0 ? 0 : betaBias * at(oldBias, r);
          const expected = row.reduce((sum, d) => sum + d, start);
          const size = row.reduce((sum, d) => sum + Math.abs(d), Math.abs(start));
          // As many roundings as terms, in any order.
          const absolute = (columns + 2) * ROUNDING * size;
          arrays.close(at(sums, r), expected, { absolute }, `dBias[${r}] of ${columns}`);
        }
        const alone = arrays.tensor([rows, columns], (i) => at(oldOut, i));
        arrays.engine.biasActivationGradient(kind, z, out, alone, alone, 0, null);
        assert.deepEqual(arrays.of(alone), slopes, 'the sums change the gradient');
      }
    }
    arrays.checkGuards();
  });

  it(`lets NaN through the gradient of ${kind}`, { skip: !subject.nonFinite }, async () => {
    const arrays = await subject.arrays();
    const z = arrays.tensor([1, 5], () => 0.5);
    const out = arrays.tensor([1, 5], () => 0.5);
    const dz = arrays.tensor([1, 5], (i) => (i === 2 ? NaN : 1));
    const dBias = arrays.tensor([1]);
    arrays.engine.biasActivationGradient(kind, z, out, dz, dz, 0, dBias);
    assert.deepEqual([...arrays.of(dz)].map(Number.isNaN), [false, false, true, false, false]);
    assert(Number.isNaN(arrays.of(dBias)[0]));
  });
}
