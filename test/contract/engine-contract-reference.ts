// What the kernels compute, in float64 and plain loops, and how a test lays its arrays out.
import assert from 'node:assert/strict';

import type { Engine } from '#src/engines/engine.js';
import type { Tensor } from '#src/tensor/tensor.js';

/** Half the distance between 1 and the next float32: the largest relative error of one rounding. */
export const ROUNDING = 2 ** -24;

const GUARD = 12_345.5;

/** Arrays that start between the engine's own boundaries and end at once, each between two guard
 * values that no kernel may change. */
export class Arrays {
  readonly engine: Engine;
  readonly #whole: Tensor[] = [];
  #state: number;

  constructor(engine: Engine, seed = 1) {
    this.engine = engine;
    this.#state = seed;
  }

  /** Uniform in [−1, 1). */
  random(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) | 0;
    return Math.fround(this.#state / 2 ** 31);
  }

  /** @param value of element i; random if left out */
  tensor(shape: readonly number[], value: (i: number) => number = () => this.random()): Tensor {
    const count = shape.reduce((elements, size) => elements * size, 1);
    const whole = this.engine.allocate([count + 2]);
    whole.data[0] = GUARD;
    whole.data[count + 1] = GUARD;
    this.#whole.push(whole);
    const data = whole.data.subarray(1, count + 1);
    for (let i = 0; i < count; i++) data[i] = value(i);
    return { dtype: 'float32', shape, data, byteOffset: whole.byteOffset + 4 };
  }

  checkGuards(): void {
    for (const { data } of this.#whole) {
      assert.equal(data[0], GUARD, 'a kernel wrote in front of an array');
      assert.equal(data[data.length - 1], GUARD, 'a kernel wrote past an array');
    }
  }
}

/** Element i of an array that has it. */
export function at(values: ArrayLike<number>, i: number): number {
  const value = values[i];
  assert(value !== undefined, `no element ${i}`);
  return value;
}

/** Equal within `absolute` + `relative` · |expected|; infinities and NaN must be the same. */
export function close(
  actual: number,
  expected: number,
  { relative = 0, absolute = 0 }: { relative?: number; absolute?: number },
  what: string,
): void {
  if (Object.is(actual, expected) || actual === expected) return;
  const error = Math.abs(actual - expected);
  assert(
    error <= absolute + relative * Math.abs(expected),
    `${what}: ${actual}, expected ${expected}`,
  );
}

/** op(a)[i, p] · op(b)[p, j] summed over p, and the sum of the products' sizes. */
export function product(
  [transposeA, a, strideA]: readonly [boolean, Float32Array, number],
  [transposeB, b, strideB]: readonly [boolean, Float32Array, number],
  inner: number,
  i: number,
  j: number,
): { sum: number; size: number } {
  let sum = 0;
  let size = 0;
  for (let p = 0; p < inner; p++) {
    const x = at(a, transposeA ? p * strideA + i : i * strideA + p);
    const y = at(b, transposeB ? j * strideB + p : p * strideB + j);
    sum += x * y;
    size += Math.abs(x * y);
  }
  return { sum, size };
}
