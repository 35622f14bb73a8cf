import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatCount,
  formatDuration,
  formatLoss,
  formatPercent,
  formatRatio,
  formatSi,
  plural,
} from './format.js';

const cases = (format: (value: number) => string, expected: readonly [number, string][]) => {
  for (const [value, text] of expected) assert.equal(format(value), text);
};

test('SI values have three digits and the prefix that rounding leads to', () => {
  cases(
    (value) => formatSi(value, 'B'),
    [
      [0, '0 B'],
      [7, '7 B'],
      [0.256, '0.26 B'],
      [999, '999 B'],
      [1000, '1.00 kB'],
      [65_536, '65.5 kB'],
      [999_499, '999 kB'],
      [999_500, '1.00 MB'],
      [-3.1e6, '−3.10 MB'],
      [Number.NaN, '–'],
    ],
  );
  assert.equal(formatSi(1.208e9, 'FLOP'), '1.21 GFLOP');
  assert.equal(formatSi(5_260_000), '5.26 M');
  const quantities = [0, 0.999_51, 0.9, 0.0123, 4.5e-5, 1234, -0.5, 1e-18, 1e24];
  assert.deepEqual(
    quantities.map((value) => formatSi(value, 'J')),
    [
      '0 J',
      '1.00 J',
      '900 mJ',
      '12.3 mJ',
      '45.0 µJ',
      '1.23 kJ',
      '−500 mJ',
      '1.00e−18 J',
      '1.00e24 J',
    ],
  );
});

test('durations change units where people do', () => {
  cases(formatDuration, [
    [0, '0 s'],
    [12e-6, '12.0 µs'],
    [0.9996e-3, '1.00 ms'],
    [0.01234, '12.3 ms'],
    [0.9996, '1.00 s'],
    [59.94, '59.9 s'],
    [59.96, '1 min 00 s'],
    [125, '2 min 05 s'],
    [3599.6, '1 h 00 min'],
    [11_220, '3 h 07 min'],
    [Number.POSITIVE_INFINITY, '–'],
  ]);
});

test('losses keep four digits, shares two decimals, ratios two or three digits', () => {
  cases(formatLoss, [
    [0, '0.0000'],
    [0.43219, '0.4322'],
    [12.34567, '12.346'],
    [0.00012345, '1.234e-4'],
    [123_456, '1.235e+5'],
  ]);
  assert.equal(formatLoss(null), '–');
  assert.equal(formatPercent(0.87654), '87.65%');
  assert.equal(formatPercent(null), '–');
  cases(formatPercent, [
    [-0.5, '−50.00%'],
    [12.5, '1250.00%'],
    [-3.2e16, '−3.20e18%'],
    [Number.NaN, '–'],
  ]);
  cases(formatRatio, [
    [0.4234, '0.42×'],
    [0.0521, '0.052×'],
    [1, '1.00×'],
    [12.34, '12.3×'],
    [345.6, '346×'],
  ]);
  assert.equal(formatCount(1_234_567), '1,234,567');
});

test('a count and its noun agree', () => {
  assert.equal(plural(1, 'step'), '1 step');
  assert.equal(plural(0, 'step'), '0 steps');
  assert.equal(plural(12_345, 'process', 'processes'), '12,345 processes');
});
