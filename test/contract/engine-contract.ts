// The suite that every engine passes: each kernel against a float64 reference in plain loops.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Engine } from '#src/engines/engine.js';
import { ShapeError, UnsupportedError } from '#src/base/errors.js';
import { byteRange, bytesOf, tensorPart, tensorRows } from '#src/tensor/tensor.js';

import { Arrays, type Capabilities, type Subject } from './engine-contract-reference.js';
import { bfloat16Contract } from './engine-contract-bfloat16.js';
import { dropoutContract } from './engine-contract-dropout.js';
import { elementwiseContract } from './engine-contract-elementwise.js';
import { gemmContract } from './engine-contract-gemm.js';
import { lossContract } from './engine-contract-losses.js';
import { precisionContract } from './engine-contract-precision.js';
import { trainingContract } from './engine-contract-training.js';

/** What the suite is told of an engine. */
export interface EngineContractOptions extends Partial<Capabilities> {
  /** Why this engine cannot run here. Default: null, it can. */
  readonly skip?: string | null;
  /** What it is made of, where there are several. */
  readonly library?: string;
}

/** @param options what it cannot do, where that is less than all */
export function engineContract(
  name: string,
  make: () => Promise<Engine>,
  { skip = null, library = '', ...capabilities }: EngineContractOptions = {},
): void {
  const has: Capabilities = {
    float64Sums: true,
    nonFinite: true,
    byteAlignment: 4,
    tolerance: 1,
    ...capabilities,
  };
  const arrays = async (seed?: number) => new Arrays(await make(), has, seed);
  const subject: Subject = { ...has, make, arrays };
  describe(`engine ${name} ${library}`.trim(), { skip: skip ?? false }, () => {
    it('has a name and a description', async () => {
      const engine = await make();
      assert.equal(engine.name, name);
      assert.match(engine.description, /\S/);
    });
    allocationContract(subject);
    gemmContract(subject);
    elementwiseContract(subject);
    dropoutContract(subject);
    precisionContract(subject);
    bfloat16Contract(subject);
    trainingContract(subject);
    lossContract(subject);
  });
}

function allocationContract({ make }: Subject): void {
  it('allocates zeros, aligned and apart, and says how much', async () => {
    const engine = await make();
    const tensors = [[3], [2, 5], [1], [0], [4, 4]].map((shape) => engine.allocate(shape));
    let end = 0;
    for (const [i, tensor] of tensors.entries()) {
      const { shape, length, byteOffset } = tensor;
      assert.equal(
        length,
        shape.reduce((count, size) => count * size, 1),
      );
      assert.deepEqual(engine.toHost(tensor).slice(), new Float32Array(length));
      assert.equal(byteOffset % 64, 0);
      assert(byteOffset >= end, `tensor ${i} overlaps the one before`);
      end = byteOffset + 4 * length;
      engine.fill(tensor, 1);
    }
    assert(engine.allocatedBytes >= 4 * 30);
    assert(engine.allocatedBytes < engine.capacityBytes);
  });

  it('keeps what it allocated when the memory grows', async () => {
    const engine = await make();
    const early = engine.allocate([5]);
    engine.fill(early, 3);
    const late = engine.allocate([3_000_000]);
    engine.fill(late, 2);
    assert.deepEqual([...engine.toHost(early)], [3, 3, 3, 3, 3]);
    engine.fill(early, 4);
    assert.deepEqual([...engine.toHost(early)], [4, 4, 4, 4, 4]);
    assert.equal(engine.toHost(late)[2_999_999], 2);
  });

  it('refuses what it cannot hold, with the sizes, and stays usable', async () => {
    const engine = await make();
    const tooMany = Math.ceil(engine.capacityBytes / 4) + 1;
    assert.throws(
      () => engine.allocate([tooMany]),
      (error) => error instanceof UnsupportedError && /GiB.*MiB/.test(error.message),
    );
    assert.throws(() => engine.allocate([-1]), UnsupportedError);
    assert.throws(() => engine.allocate([2.5]), UnsupportedError);
    assert.equal(engine.toHost(engine.allocate([4])).length, 4);
  });

  it('copies between host and engine, float32, bfloat16 and bytes, whole and in part', async () => {
    const engine = await make();
    const wide = engine.allocate([3, 4]);
    const numbers = Float32Array.from({ length: 12 }, (_, i) => i - 5.5);
    engine.toDevice(numbers, wide);
    numbers.fill(0);
    engine.toDevice(Float32Array.of(7, 8), tensorPart(wide, 5, [2]));
    const expected = [-5.5, -4.5, -3.5, -2.5, -1.5, 7, 8, 1.5, 2.5, 3.5, 4.5, 5.5];
    assert.deepEqual([...engine.toHost(wide)], expected);
    assert.deepEqual([...engine.toHost(tensorRows(wide, 1, 1))], expected.slice(4, 8));
    const into = new Float32Array(12);
    assert.equal(engine.toHost(wide, into), into);
    engine.fill(wide, 1);
    assert.deepEqual([...into], expected, 'a copy does not change any more');

    const half = engine.allocate([5], 'bfloat16');
    engine.toDevice(Uint16Array.of(0, 1, 0x3f80, 0xffff, 5), half);
    assert.deepEqual([...engine.toHost(half)], [0, 1, 0x3f80, 0xffff, 5]);
    const bytes = byteRange(bytesOf(half), 3, 5);
    engine.toDevice(Uint8Array.of(1, 2, 3, 4, 5), bytes);
    assert.deepEqual([...engine.toHost(bytes)], [1, 2, 3, 4, 5]);
    assert.deepEqual([...engine.toHost(bytesOf(half))], [0, 0, 1, 1, 2, 3, 4, 5, 5, 0]);

    const copied = engine.allocate([3, 4]);
    engine.copy(wide, copied);
    const started = new Float32Array(12);
    const pending = engine.startToHost(copied, started);
    engine.fill(copied, 0);
    pending.wait();
    assert.deepEqual([...started], Array(12).fill(1), 'what was there when the copy was started');
    const other = engine.allocate([5], 'bfloat16');
    engine.copy(half, other);
    engine.copy(byteRange(bytesOf(half), 0, 3), byteRange(bytesOf(other), 5, 3));
    assert.deepEqual([...engine.toHost(bytesOf(other))], [0, 0, 1, 1, 2, 0, 0, 1, 5, 0]);

    engine.synchronize();
    assert.throws(() => engine.startToHost(wide, new Float32Array(1)), ShapeError);
    assert.throws(() => engine.toDevice(new Float32Array(3), wide), ShapeError);
    assert.throws(() => engine.toHost(wide, new Float32Array(13)), ShapeError);
  });
}
