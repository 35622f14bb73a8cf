import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fnv1a64, philox4x32, randomStream } from './random.js';

/** Lines of `kat_vectors` in Random123 1.14: counter, key, expected words. */
const PHILOX_VECTORS = [
  [
    '00000000 00000000 00000000 00000000',
    '00000000 00000000',
    '6627e8d5 e169c58d bc57ac4c 9b00dbd8',
  ],
  [
    'ffffffff ffffffff ffffffff ffffffff',
    'ffffffff ffffffff',
    '408f276d 41c83b0e a20bc7c6 6d5451fd',
  ],
  [
    '243f6a88 85a308d3 13198a2e 03707344',
    'a4093822 299f31d0',
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  ],
] as const;

const seeds = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

test('Philox4x32-10 gives the words its authors published', () => {
  for (const [counter, key, expected] of PHILOX_VECTORS) {
    const words = (text: string) => text.split(' ').map((word) => Number.parseInt(word, 16));
    const [c0 = 0, c1 = 0, c2 = 0, c3 = 0] = words(counter);
    const [k0 = 0, k1 = 0] = words(key);
    const out = new Uint32Array(4);
    philox4x32(c0, c1, c2, c3, k0, k1, out);
    assert.deepEqual([...out], words(expected));
  }
});

test('FNV-1a gives the hashes its authors published', () => {
  assert.equal(fnv1a64(''), 0xcbf29ce484222325n);
  assert.equal(fnv1a64('a'), 0xaf63dc4c8601ec8cn);
  assert.equal(fnv1a64('foobar'), 0x85944171f73967e8n);
});

test('a draw depends on seed, name and index, not on what was drawn before', () => {
  const indices = fc.array(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), { minLength: 1 });
  fc.assert(
    fc.property(seeds, fc.string(), indices, (seed, name, order) => {
      const stream = randomStream(seed, name);
      const drawn = order.map((index) => [stream.uint32(index), stream.normal(index)]);
      const again = order.map((index) => {
        const fresh = randomStream(seed, name);
        return [fresh.uint32(index), fresh.normal(index)];
      });
      assert.deepEqual(drawn, again);
    }),
  );
});

test('fills give the draws one by one, from any first index and of any length', () => {
  const first = fc.integer({ min: 0, max: 2 ** 40 });
  fc.assert(
    fc.property(seeds, first, fc.integer({ min: 0, max: 40 }), (seed, firstIndex, length) => {
      const stream = randomStream(seed, 'fills');
      const out = new Float32Array(length);
      stream.fillNormal(out, firstIndex);
      out.forEach((value, i) => assert.equal(value, Math.fround(stream.normal(firstIndex + i))));
      stream.fillUniform(out, firstIndex, -2, 3);
      out.forEach((value, i) => {
        assert.equal(value, Math.fround(-2 + 5 * stream.uniform(firstIndex + i)));
      });
    }),
  );
});

test('streams of other names and other seeds differ, as do indices 2^32 blocks apart', () => {
  const first = (seed: number, name: string, index = 0) => randomStream(seed, name).uint32(index);
  const draws = [
    first(0, 'a'),
    first(1, 'a'),
    first(2 ** 32, 'a'),
    first(0, 'b'),
    first(0, ''),
    first(0, 'a', 2 ** 34),
    first(0, 'a', 1),
  ];
  assert.equal(new Set(draws).size, draws.length);
});

test('uniform draws lie in [0, 1) with the mean and variance of the distribution', () => {
  const n = 1 << 18;
  const draws = new Float32Array(n);
  randomStream(3, 'uniform').fillUniform(draws, 0, 0, 1);
  assert.ok(draws.every((u) => u >= 0 && u < 1));
  // Five standard errors: 5 · √(1/12 / n) for the mean, 5 · √(1/180 / n) for the variance.
  const { mean, variance } = moments(draws);
  assert.ok(Math.abs(mean - 1 / 2) < 5 * Math.sqrt(1 / 12 / n), `mean ${mean}`);
  assert.ok(Math.abs(variance - 1 / 12) < 5 * Math.sqrt(1 / 180 / n), `variance ${variance}`);
});

test('normal draws have the moments of the distribution, and pairs are uncorrelated', () => {
  const n = 1 << 18;
  const draws = new Float32Array(n);
  randomStream(4, 'normal').fillNormal(draws, 0);
  const { mean, variance } = moments(draws);
  assert.ok(Math.abs(mean) < 5 / Math.sqrt(n), `mean ${mean}`);
  assert.ok(Math.abs(variance - 1) < 5 * Math.sqrt(2 / n), `variance ${variance}`);
  let product = 0;
  for (let i = 0; i < n; i += 2) product += draws[i]! * draws[i + 1]!;
  assert.ok(Math.abs(product / (n / 2)) < 5 / Math.sqrt(n / 2));
  // P(|x| > 3) = 0.0026998
  const tail = draws.filter((x) => Math.abs(x) > 3).length / n;
  assert.ok(Math.abs(tail - 0.0026998) < 5 * Math.sqrt(0.0027 / n), `tail ${tail}`);
});

test('normal draws agree with Box-Muller by Math.log, Math.cos and Math.sin', () => {
  const stream = randomStream(5, 'reference');
  for (let i = 0; i < 20_000; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((stream.uint32(i) + 0.5) / 2 ** 32));
    const angle = (2 * Math.PI * (stream.uint32(i + 1) + 0.5)) / 2 ** 32;
    assert.ok(Math.abs(stream.normal(i) - radius * Math.cos(angle)) < 1e-14);
    assert.ok(Math.abs(stream.normal(i + 1) - radius * Math.sin(angle)) < 1e-14);
  }
});

test('a permutation holds every row once', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 0, max: 500 }), (seed, n) => {
      const order = randomStream(seed, 'permutation').permutation(n);
      assert.deepEqual(
        [...order].toSorted((a, b) => a - b),
        Array.from({ length: n }, (_, i) => i),
      );
    }),
  );
});

test('all six orders of three rows are drawn equally often', () => {
  const counts = new Map<string, number>();
  const trials = 6000;
  for (let seed = 0; seed < trials; seed++) {
    const order = randomStream(seed, 'orders').permutation(3).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.equal(counts.size, 6);
  const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
  assert.ok(chiSquare < 25.7, `chi-square ${chiSquare}; 0.0001 of samples exceed 25.7`);
});

test('a seed that is not an integer ≥ 0 is refused', () => {
  for (const seed of [-1, 0.5, Number.NaN, 2 ** 53]) {
    assert.throws(() => randomStream(seed, 'x'), RangeError);
  }
});

function moments(values: Float32Array): { mean: number; variance: number } {
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / values.length;
  return { mean, variance: squares / values.length - mean * mean };
}
