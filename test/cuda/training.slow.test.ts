// Everything that is golden, with the CUDA engine on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';

import { train } from '#src/app/train/train.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { VARIANTS } from '../golden/golden-losses.js';
import { losses, temporaryFolder } from '../support/files.js';
import { resume } from '../support/resume.js';
import {
  assertGolden,
  assertLossesOfWasm,
  lossesOf,
  settings,
  STEPS,
  withFakeCuda,
} from './training-runs.js';

const skip = reasonToSkipFakeCuda();

describe('training on CUDA devices, in all variants', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();

  for (const variant of Object.keys(VARIANTS)) {
    it(`has the losses of ${variant}, with the same bits on two devices and on four ranks`, async (context) => {
      const one = await lossesOf(context, variant, 1);
      assertGolden(variant, one);
      assert.deepEqual(await lossesOf(context, variant, 2), one);
      assert.deepEqual(await lossesOf(context, variant, 4), one);
    });
  }

  it('has the losses of residual networks with a norm, gates, dropout and clipping', async (context) => {
    await assertLossesOfWasm(context);
  });

  it('goes on from a checkpoint of another engine', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await train(settings(out, { engine: 'wasm', ranks: 1, steps: STEPS / 2 }));
    await resume(out, { engine: 'cuda', steps: STEPS });
    assertGolden('phantom', losses(out));
  });
});
