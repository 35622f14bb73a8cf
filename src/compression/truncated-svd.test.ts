import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLapackSvd } from './lapack-svd.js';
import { createWasmEngine } from '../engines/wasm/wasm-engine.js';
import { NativeError } from '../base/errors.js';
import { randomStream } from '../tensor/random.js';
import { RandomizedSvd } from './randomized-svd.js';
import type { SingularTriplets, TruncatedSvd } from './truncated-svd.js';

/** [rows, columns] of rank at most `rank`, with singular values that fall by `decay` a step. */
function matrix(rows: number, columns: number, rank: number, decay: number): Float64Array {
  const random = (count: number, name: string) => {
    const values = new Float32Array(count);
    randomStream(7, name).fillUniform(values, 0, -1, 1);
    return values;
  };
  const [u, v] = [random(rows * rank, 'u'), random(rank * columns, 'v')];
  return Float64Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let k = 0; k < rank; k++) {
      sum += (u[i * rank + k] as number) * decay ** k * (v[k * columns + j] as number);
    }
    return sum;
  });
}

/** ‖A − U Σ V‖², Frobenius. */
function squaredError(a: Float64Array, columns: number, { values, left, right }: SingularTriplets) {
  const count = values.length;
  return a.reduce((sum, value, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    let approximation = 0;
    for (let k = 0; k < count; k++) {
      approximation +=
        (left[i * count + k] as number) *
        (values[k] as number) *
        (right[k * columns + j] as number);
    }
    return sum + (value - approximation) ** 2;
  }, 0);
}

/** Largest distance of right·rightᵀ from the identity. */
function skew({ right, values }: SingularTriplets, columns: number): number {
  let most = 0;
  for (let a = 0; a < values.length; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = 0;
      for (let i = 0; i < columns; i++) {
        sum += (right[a * columns + i] as number) * (right[b * columns + i] as number);
      }
      most = Math.max(most, Math.abs(sum - Number(a === b)));
    }
  }
  return most;
}

async function lapack(): Promise<TruncatedSvd | null> {
  try {
    return await createLapackSvd();
  } catch (error) {
    if (error instanceof NativeError && !process.env['PHANTOM_REQUIRE_NATIVE']) return null;
    throw error;
  }
}

const native = await lapack();
const randomized = new RandomizedSvd(createWasmEngine());

const CASES: [string, number, number, number, number, number][] = [
  // rows, columns, rank, decay, count
  ['tall', 90, 30, 30, 0.8, 7],
  ['wide', 30, 90, 30, 0.8, 7],
  ['square', 40, 40, 40, 0.9, 12],
  ['one triplet of many', 90, 64, 64, 0.7, 1],
  ['all triplets', 60, 20, 20, 0.9, 20],
  ['rank-deficient', 60, 40, 5, 0.9, 9],
  ['zero', 20, 10, 0, 1, 3],
  ['a flat spectrum', 120, 64, 64, 1, 16],
];

describe('the truncated singular value decomposition', () => {
  for (const [what, rows, columns, rank, decay, count] of CASES) {
    const a = matrix(rows, columns, rank, decay);
    const norm = Math.sqrt(a.reduce((sum, value) => sum + value ** 2, 0));

    it(
      `leaves the tail of the spectrum, Eckart and Young's error: ${what}`,
      { skip: native === null && 'no LAPACK' },
      () => {
        assert.ok(native);
        const spectrum = native.singularValues(Float64Array.from(a), rows, columns);
        assert.equal(spectrum.length, Math.min(rows, columns));
        const tail = spectrum.slice(count).reduce((sum, value) => sum + value ** 2, 0);
        const exact = native.decompose(Float64Array.from(a), rows, columns, count);
        assert.deepEqual([exact.values.length, exact.right.length], [count, count * columns]);
        const rounding = 1e-13 * norm ** 2;
        assert.ok(Math.abs(squaredError(a, columns, exact) - tail) <= rounding, 'lapack');
        assert.ok(skew(exact, columns) < 1e-12);

        // At float32's rounding; with a flat spectrum a random subspace catches a little less.
        const close = randomized.decompose(Float64Array.from(a), rows, columns, count);
        const error = squaredError(a, columns, close);
        assert.ok(error <= 1.005 * tail + 1e-12 * norm ** 2, `randomised: ${error}, best ${tail}`);
        assert.ok(error >= tail * (1 - 1e-5) - rounding, 'nothing is better than the best');
        for (const [k, value] of close.values.entries()) {
          const difference = Math.abs(value - (exact.values[k] as number));
          assert.ok(difference <= 2e-3 * (exact.values[0] as number) + 1e-6 * norm, `value ${k}`);
        }
      },
    );

    it(`is in order and orthonormal by the randomised form too: ${what}`, () => {
      const found = randomized.decompose(Float64Array.from(a), rows, columns, count);
      assert.deepEqual(
        [...found.values],
        [...found.values].toSorted((x, y) => y - x),
      );
      if (rows >= columns) assert.ok(skew(found, columns) < 1e-6, String(skew(found, columns)));
      const whole = randomized.singularValues(Float64Array.from(a), rows, columns);
      const energy = whole.reduce((sum, value) => sum + value ** 2, 0);
      assert.ok(Math.abs(energy - norm ** 2) <= 1e-5 * norm ** 2);
    });
  }

  it('takes memory for the largest of each part once, whatever shapes follow one another', () => {
    const engine = createWasmEngine();
    const svd = new RandomizedSvd(engine);
    const both = () => {
      for (const [rows, columns] of [
        [24, 12],
        [12, 24],
        [18, 16],
      ] as const) {
        svd.decompose(matrix(rows, columns, 4, 0.9), rows, columns, 2);
      }
      return engine.allocatedBytes;
    };
    const once = both();
    assert.equal(both(), once);
  });
});
