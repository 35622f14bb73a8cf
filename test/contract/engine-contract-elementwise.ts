// The part of the engine contract that is about element-wise kernels.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import type { Activation } from '#src/engines/activations.js';
import type { Engine } from '#src/engines/engine.js';

import { REFERENCE_ACTIVATIONS } from '../reference/activations.js';
import { Arrays, at, close, ROUNDING } from './engine-contract-reference.js';

/** Rows and columns: empty, single, odd, a multiple of the vector, longer than any unrolling. */
const SHAPES: readonly (readonly [number, number])[] = [
  ...([
    [0, 3],
    [3, 0],
    [1, 1],
    [5, 1],
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

export function elementwiseContract(make: () => Promise<Engine>): void {
  for (const kind of KINDS) activationContract(kind, make);

  it('adds, also onto either operand', async () => {
    const arrays = new Arrays(await make());
    for (const n of COUNTS) {
      const a = arrays.tensor([n]);
      const b = arrays.tensor([n]);
      const out = arrays.tensor([n]);
      const expected = a.data.map((x, i) => x + at(b.data, i));
      arrays.engine.add(a, b, out);
      assert.deepEqual(out.data, expected);
      arrays.engine.add(a, b, b);
      assert.deepEqual(b.data, expected);
      const twice = a.data.map((x) => 2 * x);
      arrays.engine.add(a, a, a);
      assert.deepEqual(a.data, twice);
    }
    arrays.checkGuards();
  });

  it('multiplies, also onto either operand', async () => {
    const arrays = new Arrays(await make());
    for (const n of COUNTS) {
      const [a, b, out] = [arrays.tensor([n]), arrays.tensor([n]), arrays.tensor([n])];
      const expected = a.data.map((x, i) => x * at(b.data, i));
      arrays.engine.multiply(a, b, out);
      assert.deepEqual(out.data, expected);
      arrays.engine.multiply(a, b, b);
      assert.deepEqual(b.data, expected);
      const squares = a.data.map((x) => x * x);
      arrays.engine.multiply(a, a, a);
      assert.deepEqual(a.data, squares);
    }
    arrays.checkGuards();
  });

  it('scales, fills, copies and adds a multiple', async () => {
    const arrays = new Arrays(await make());
    for (const n of COUNTS) {
      const x = arrays.tensor([n]);
      const y = arrays.tensor([n]);
      const [oldX, oldY] = [x.data.slice(), y.data.slice()];
      arrays.engine.axpy(-1.7, x, y);
      for (let i = 0; i < n; i++) {
        // Two roundings, of alpha · x and of the sum, and one of alpha itself.
        const bound = 3 * ROUNDING * (1.7 * Math.abs(at(oldX, i)) + Math.abs(at(oldY, i)));
        close(at(y.data, i), at(oldY, i) - 1.7 * at(oldX, i), { absolute: bound }, `y[${i}]`);
      }
      arrays.engine.scale(0.25, x);
      assert.deepEqual(
        x.data,
        oldX.map((value) => 0.25 * value),
      );
      arrays.engine.copy(x, y);
      assert.deepEqual(y.data, x.data);
      arrays.engine.fill(y, -2.5);
      assert(y.data.every((value) => value === -2.5));
    }
    arrays.checkGuards();
  });

  it('sums and scales columns', async () => {
    const arrays = new Arrays(await make());
    const { engine } = arrays;
    for (const [rows, columns] of SHAPES) {
      const [a, b] = [arrays.tensor([rows, columns]), arrays.tensor([rows, columns])];
      const [dots, factors] = [arrays.tensor([columns]), arrays.tensor([columns])];
      engine.columnDots(a, b, dots);
      for (let c = 0; c < columns; c++) {
        let [sum, size] = [0, 0];
        for (let r = 0; r < rows; r++) {
          const product = at(a.data, r * columns + c) * at(b.data, r * columns + c);
          sum += product;
          size += Math.abs(product);
        }
        close(at(dots.data, c), sum, { absolute: 2 * ROUNDING * size }, `dots[${c}] of ${rows}`);
      }
      const [scaled, sums] = [arrays.tensor([rows, columns]), arrays.tensor([rows, columns])];
      const before = sums.data.slice();
      engine.scaleColumns(a, factors, scaled);
      engine.addScaledColumns(a, factors, sums);
      for (const [i, x] of a.data.entries()) {
        const product = x * at(factors.data, i % columns);
        assert.equal(at(scaled.data, i), Math.fround(product));
        const absolute = 3 * ROUNDING * (Math.abs(product) + Math.abs(at(before, i)));
        close(at(sums.data, i), at(before, i) + product, { absolute }, `sums[${i}]`);
      }
      engine.scaleColumns(a, factors, a);
      assert.deepEqual(a.data, scaled.data);

      const [squares, inverse] = [
        arrays.tensor([rows, columns], () => arrays.random() ** 2),
        arrays.tensor([columns]),
      ];
      const correction = arrays.tensor([columns]);
      engine.inverseRms(squares, 3, inverse);
      engine.rmsCorrection(dots, inverse, 3, correction);
      for (let c = 0; c < columns; c++) {
        let sum = 0;
        for (let r = 0; r < rows; r++) sum += at(squares.data, r * columns + c);
        const expected = 1 / Math.sqrt(sum / 3 + 1e-6);
        close(at(inverse.data, c), expected, { relative: 2 * ROUNDING }, `inverse[${c}]`);
        const corrected = (-at(dots.data, c) * at(inverse.data, c) ** 3) / 3;
        close(at(correction.data, c), corrected, { relative: 2 * ROUNDING }, `correction[${c}]`);
      }
    }
    arrays.checkGuards();
  });

  it('sums squares in float64', async () => {
    const arrays = new Arrays(await make());
    for (const n of COUNTS) {
      const x = arrays.tensor([n], () => 1e20 * arrays.random());
      const expected = x.data.reduce((sum, value) => sum + value * value, 0);
      // float64 rounds at 1.1e-16; a thousand terms in another order stay far below this.
      close(arrays.engine.sumOfSquares(x), expected, { relative: 1e-12 }, `Σ of ${n}`);
    }
    const huge = arrays.tensor([9], () => 3e38);
    close(arrays.engine.sumOfSquares(huge), 9 * Math.fround(3e38) ** 2, { relative: 1e-12 }, 'Σ');
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (let place = 0; place < 21; place++) {
        const x = arrays.tensor([21], (i) => (i === place ? bad : 1));
        assert(!Number.isFinite(arrays.engine.sumOfSquares(x)), `${bad} at ${place} was lost`);
      }
    }
  });
}

function activationContract(kind: Activation, make: () => Promise<Engine>): void {
  const { value, slope } = REFERENCE_ACTIVATIONS[kind];

  it(`adds the bias and applies ${kind}`, async () => {
    const arrays = new Arrays(await make());
    for (const [rows, columns] of SHAPES) {
      for (const inPlace of [false, true]) {
        for (const withBias of [false, true]) {
          const z = arrays.tensor([rows, columns], () => 6 * arrays.random());
          const bias = withBias ? arrays.tensor([rows]) : null;
          const out = inPlace ? z : arrays.tensor([rows, columns]);
          const sums = z.data.map((x, i) =>
            bias === null ? x : x + at(bias.data, Math.floor(i / columns)),
          );
          arrays.engine.biasActivation(kind, z, bias, out);
          if (!inPlace) assert.deepEqual(z.data, sums, 'z is not the biased input');
          for (const [i, x] of sums.entries()) {
            const absolute = TOLERANCE * Math.max(1, Math.abs(x));
            close(at(out.data, i), value(x), { absolute }, `${kind}(${x})`);
          }
        }
      }
    }
    arrays.checkGuards();
  });

  it(`passes extreme inputs through ${kind}`, async () => {
    const arrays = new Arrays(await make());
    const inputs = [0, -0, 1e-30, -1e-30, 1e-3, 20, -20, 90, -90, 1e4, -1e4, 1e38, -1e38];
    const z = arrays.tensor([1, inputs.length], (i) => at(inputs, i));
    const out = arrays.tensor([1, inputs.length]);
    arrays.engine.biasActivation(kind, z, null, out);
    for (const [i, x] of inputs.entries()) {
      if (kind === 'sine' && Math.abs(x) > 1e4) {
        assert.ok(Math.abs(at(out.data, i)) <= 1, `${kind}(${x})`);
        continue;
      }
      const expected = Math.fround(value(x));
      const absolute = TOLERANCE * Math.max(Math.abs(expected), Math.min(1, Math.abs(x)));
      close(at(out.data, i), expected, { absolute }, `${kind}(${x})`);
    }
    for (let place = 0; place < 7; place++) {
      const bad = arrays.tensor([1, 7], (i) => (i === place ? NaN : 1));
      arrays.engine.biasActivation(kind, bad, null, bad);
      for (let i = 0; i < 7; i++) assert.equal(Number.isNaN(at(bad.data, i)), i === place);
    }
    const infinite = arrays.tensor([1, 1], () => Infinity);
    arrays.engine.biasActivation(kind, infinite, null, infinite);
    const limits: Partial<Record<Activation, number>> = { tanh: 1, sine: NaN };
    assert.equal(infinite.data[0], limits[kind] ?? Infinity);
  });

  it(`multiplies by the slope of ${kind} and sums rows for the bias`, async () => {
    const arrays = new Arrays(await make());
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
        const [oldOut, oldBias] = [dOut.data.slice(), dBias.data.slice()];
        arrays.engine.biasActivationGradient(kind, z, out, dOut, dz, betaBias, dBias);
        for (const [i, d] of dz.data.entries()) {
          const expected = at(oldOut, i) * slope(at(z.data, i));
          close(d, expected, { absolute: TOLERANCE }, `${kind}′(${at(z.data, i)})`);
        }
        for (let r = 0; r < rows; r++) {
          const row = dz.data.subarray(r * columns, (r + 1) * columns);
          const start = betaBias === 0 ? 0 : betaBias * at(oldBias, r);
          const expected = row.reduce((sum, d) => sum + d, start);
          const size = row.reduce((sum, d) => sum + Math.abs(d), Math.abs(start));
          // As many roundings as terms, in any order.
          const absolute = (columns + 2) * ROUNDING * size;
          close(at(dBias.data, r), expected, { absolute }, `dBias[${r}] of ${columns}`);
        }
        const alone = arrays.tensor([rows, columns]);
        alone.data.set(oldOut);
        arrays.engine.biasActivationGradient(kind, z, out, alone, alone, 0, null);
        assert.deepEqual(alone.data, dz.data, 'the sums change the gradient');
      }
    }
    arrays.checkGuards();
  });

  it(`lets NaN through the gradient of ${kind}`, async () => {
    const arrays = new Arrays(await make());
    const z = arrays.tensor([1, 5], () => 0.5);
    const out = arrays.tensor([1, 5], () => 0.5);
    const dz = arrays.tensor([1, 5], (i) => (i === 2 ? NaN : 1));
    const dBias = arrays.tensor([1]);
    arrays.engine.biasActivationGradient(kind, z, out, dz, dz, 0, dBias);
    assert.deepEqual([...dz.data].map(Number.isNaN), [false, false, true, false, false]);
    assert(Number.isNaN(dBias.data[0]));
  });
}
