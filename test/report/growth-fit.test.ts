import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitGrowth } from '../../bench/growth-fit.js';

const sizes = Array.from({ length: 8 }, (_, i) => 2 ** i);
const near = (actual: number, expected: number, tolerance = 1e-9) =>
  assert.ok(Math.abs(actual - expected) < tolerance, `${actual}; expected ${expected}`);

test('a power has one exponent', () => {
  const { exponent, bend } = fitGrowth(sizes.map((x) => ({ x, y: 3 * x ** 1.5 })));
  near(exponent, 1.5);
  assert.equal(bend, null);
});

test('a bend is found where it is, whatever the order', () => {
  const y = (x: number) => (x <= 16 ? 2 * x ** 0.25 : 2 * 16 ** 0.25 * (x / 16) ** 2);
  const { exponent, bend } = fitGrowth(sizes.map((x) => ({ x, y: y(x) })).toReversed());
  near(exponent, 0.25);
  assert.equal(bend?.at, 16);
  near(bend?.exponent ?? 0, 2);
});

test('noise is no bend', () => {
  const { exponent, bend } = fitGrowth(sizes.map((x, i) => ({ x, y: x * (i % 2 ? 1.1 : 0.9) })));
  near(exponent, 1, 0.1);
  assert.equal(bend, null);
});

test('few places have no bend', () => {
  const { exponent, bend } = fitGrowth([1, 2, 4].map((x) => ({ x, y: x })));
  near(exponent, 1);
  assert.equal(bend, null);
});
