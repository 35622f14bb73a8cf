// What the kernels compute, in float64 and plain loops, and how a test lays its arrays out.
import assert from 'node:assert/strict';

import type { Engine, Slots } from '#src/engines/engine.js';
import { type AnyTensor, elementCount, type Tensor, tensorPart } from '#src/tensor/tensor.js';

/** What the contract leaves open; the usual values are those of an engine that does all of it. */
export interface Capabilities {
  /** Whether sums that the contract wants in float64 are; else they are sums of float32. */
  readonly float64Sums: boolean;
  /** Whether kernels see and pass on NaN and infinities. */
  readonly nonFinite: boolean;
  /** Of the address of an operand: kernels take every multiple of it. */
  readonly byteAlignment: number;
  /** Factor on the bounds of rounding errors; those that are exact stay so. */
  readonly tolerance: number;
}

/** What a part of the suite tests. */
export interface Subject extends Capabilities {
  /** A new engine. */
  make(): Promise<Engine>;
  /** A new engine, with arrays of random numbers that begin with this seed. */
  arrays(seed?: number): Promise<Arrays>;
}

/** Half the distance between 1 and the next float32: the largest relative error of one rounding. */
export const ROUNDING = 2 ** -24;

const GUARD = 12_345.5;

/** Arrays that start between the engine's own boundaries and end at once, each between guard values
 * that no kernel may change. */
export class Arrays {
  readonly engine: Engine;
  readonly #capabilities: Capabilities;
  readonly #whole: Tensor[] = [];
  #state: number;

  constructor(engine: Engine, capabilities: Capabilities, seed = 1) {
    this.engine = engine;
    this.#capabilities = capabilities;
    this.#state = seed;
  }

  /** Elements from a boundary to the first address behind it that kernels take too. */
  get shift(): number {
    return Math.ceil(this.#capabilities.byteAlignment / 4);
  }

  /** Arrays of the same engine, whose random numbers begin anew. */
  again(seed: number): Arrays {
    return new Arrays(this.engine, this.#capabilities, seed);
  }

  /** Uniform in [−1, 1). */
  random(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) | 0;
    return Math.fround(this.#state / 2 ** 31);
  }

  /** @param value of element i; random if left out */
  tensor(shape: readonly number[], value: (i: number) => number = () => this.random()): Tensor {
    const { shift } = this;
    const count = elementCount(shape);
    const numbers = new Float32Array(shift + count + 1).fill(GUARD);
    for (let i = 0; i < count; i++) numbers[shift + i] = value(i);
    const whole = this.engine.allocate([numbers.length]);
    this.engine.toDevice(numbers, whole);
    this.#whole.push(whole);
    return tensorPart(whole, shift, shape);
  }

  /** What a tensor holds now, of bfloat16 its bits. */
  of(tensor: Tensor): Float32Array;
  of(tensor: Tensor<'bfloat16'>): Uint16Array;
  of(tensor: AnyTensor): Float32Array | Uint16Array {
    return this.engine.toHost(tensor).slice();
  }

  /** Equal within `absolute` + `relative` · |expected|, times what the engine allows itself. */
  close(actual: number, expected: number, bounds: Bounds, what: string): void {
    const { tolerance } = this.#capabilities;
    const { relative = 0, absolute = 0 } = bounds;
    close(
      actual,
      expected,
      { relative: tolerance * relative, absolute: tolerance * absolute },
      what,
    );
  }

  /** `close`, for a sum of this many numbers that the contract wants in float64. */
  closeSum(actual: number, expected: number, terms: number, what: string): void {
    // float64 rounds at 1.1e-16; a thousand terms in another order stay far below this.
    const relative = this.#capabilities.float64Sums ? 1e-12 : (terms + 2) * ROUNDING;
    this.close(actual, expected, { relative }, what);
  }

  /** What a kernel gives in its slots, between two others that it must leave alone. */
  scalars(count: number, call: (slots: Slots, at: number) => void): number[] {
    const slots = this.engine.slots(count + 2);
    call(slots, 1);
    const [before, ...values] = this.engine.read(slots);
    assert.deepEqual([before, values.pop()], [0, 0], 'a kernel wrote in other slots');
    return values;
  }

  sumOfSquares(x: Tensor): number {
    return at(
      this.scalars(1, (slots, i) => this.engine.sumOfSquares(x, slots, i)),
      0,
    );
  }
  elementLoss(...operands: Without<Parameters<Engine['elementLoss']>>): number {
    return at(
      this.scalars(1, (slots, i) => this.engine.elementLoss(...operands, slots, i)),
      0,
    );
  }
  softmaxCrossEntropy(...operands: Without<Parameters<Engine['softmaxCrossEntropy']>>) {
    const call = (slots: Slots, i: number) =>
      this.engine.softmaxCrossEntropy(...operands, slots, i);
    const [lossSum = NaN, correct = NaN] = this.scalars(2, call);
    return { lossSum, correct };
  }
  /** Σ gradient² of each. */
  sgdStep(...operands: Without<Parameters<Engine['sgdStep']>>): number[] {
    const { length } = operands[0];
    return this.scalars(length, (slots, i) => this.engine.sgdStep(...operands, slots, i));
  }
  adamStep(...operands: Without<Parameters<Engine['adamStep']>>): number[] {
    const { length } = operands[0];
    return this.scalars(length, (slots, i) => this.engine.adamStep(...operands, slots, i));
  }

  checkGuards(): void {
    for (const whole of this.#whole) {
      const numbers = this.engine.toHost(whole);
      assert.equal(at(numbers, this.shift - 1), GUARD, 'a kernel wrote in front of an array');
      assert.equal(at(numbers, whole.length - 1), GUARD, 'a kernel wrote past an array');
    }
  }
}

/** Without the slots. */
type Without<Operands> = Operands extends [...infer Rest, Slots, number] ? Rest : never;

interface Bounds {
  readonly relative?: number;
  readonly absolute?: number;
}

/** Element i of an array that has it. */
export function at(values: ArrayLike<number>, i: number): number {
  const value = values[i];
  // A text made for `assert` would be made for every element that is there.
  if (value === undefined) assert.fail(`no element ${i}`);
  return value;
}

/** Equal within `absolute` + `relative` · |expected|; infinities and NaN must be the same. */
export function close(
  actual: number,
  expected: number,
  { relative = 0, absolute = 0 }: Bounds,
  what: string,
): void {
  if (Object.is(actual, expected) || actual === expected) return;
  const error = Math.abs(actual - expected);
  if (error <= absolute + relative * Math.abs(expected)) return;
  assert.fail(`${what}: ${actual}, expected ${expected}`);
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
