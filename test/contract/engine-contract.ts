// The suite that every engine passes: each kernel against a float64 reference in plain loops.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Engine } from '#src/engines/engine.js';
import { UnsupportedError } from '#src/base/errors.js';

import { bfloat16Contract } from './engine-contract-bfloat16.js';
import { dropoutContract } from './engine-contract-dropout.js';
import { elementwiseContract } from './engine-contract-elementwise.js';
import { gemmContract } from './engine-contract-gemm.js';
import { lossContract } from './engine-contract-losses.js';
import { precisionContract } from './engine-contract-precision.js';
import { trainingContract } from './engine-contract-training.js';

/**
 * @param skip why this engine cannot run here; null: it can
 * @param library what it is made of, where there are several
 */
export function engineContract(
  name: string,
  make: () => Promise<Engine>,
  skip: string | null = null,
  library = '',
): void {
  describe(`engine ${name} ${library}`.trim(), { skip: skip ?? false }, () => {
    it('has a name and a description', async () => {
      const engine = await make();
      assert.equal(engine.name, name);
      assert.match(engine.description, /\S/);
    });
    allocationContract(make);
    gemmContract(make);
    elementwiseContract(make);
    dropoutContract(make);
    precisionContract(make);
    bfloat16Contract(make);
    trainingContract(make);
    lossContract(make);
  });
}

function allocationContract(make: () => Promise<Engine>): void {
  it('allocates zeros, aligned and apart, and says how much', async () => {
    const engine = await make();
    const tensors = [[3], [2, 5], [1], [0], [4, 4]].map((shape) => engine.allocate(shape));
    let end = 0;
    for (const [i, { shape, data, byteOffset }] of tensors.entries()) {
      assert.equal(
        data.length,
        shape.reduce((count, size) => count * size, 1),
      );
      assert(data.every((value) => value === 0));
      assert.equal(byteOffset % 64, 0);
      assert(byteOffset >= end, `tensor ${i} overlaps the one before`);
      end = byteOffset + data.byteLength;
      data.fill(1);
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
    assert.deepEqual([...early.data], [3, 3, 3, 3, 3]);
    engine.fill(early, 4);
    assert.deepEqual([...early.data], [4, 4, 4, 4, 4]);
    assert.equal(late.data[2_999_999], 2);
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
    assert.equal(engine.allocate([4]).data.length, 4);
  });
}
