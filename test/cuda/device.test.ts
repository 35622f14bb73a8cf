// The CUDA engine on a GPU. Without one the tests are skipped, and with PHANTOM_REQUIRE_GPU=1 they fail.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';

import { engineContract } from '../contract/engine-contract.js';
import { VARIANTS } from '../golden/golden-losses.js';
import { reasonToSkipGpu } from '../support/gpu.js';
import { assertGolden, assertLossesOfWasm, lossesOf } from './training-runs.js';

const skip = await reasonToSkipGpu();
let engine: ReturnType<typeof createCudaEngine> | null = null;
// CUDA's expf and tanhf may be 2 units in the last place off.
const contract = { skip, library: 'on a GPU', tolerance: 2 };
engineContract('cuda', () => (engine ??= createCudaEngine()), contract);

describe('training on a GPU', { skip: skip ?? false }, () => {
  for (const variant of Object.keys(VARIANTS)) {
    it(`has the losses of ${variant}, with the same bits on two ranks`, async (context) => {
      const one = await lossesOf(context, variant, 1);
      assertGolden(variant, one);
      assert.deepEqual(await lossesOf(context, variant, 2), one);
    });
  }

  it('has the losses of wasm for residual networks with a norm, gates, dropout and clipping', async (context) => {
    await assertLossesOfWasm(context);
  });
});
