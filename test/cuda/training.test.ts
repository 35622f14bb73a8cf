// Training with the CUDA engine on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';

import { NativeError } from '#src/base/errors.js';
import { train } from '#src/app/train/train.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { losses, temporaryFolder } from '../support/files.js';
import { resume } from '../support/resume.js';
import { assertGolden, lossesOf, settings, STEPS, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();

describe('training on CUDA devices', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();

  it('has the losses of other engines, and their bits when two devices go on with it', async (context) => {
    const whole = await lossesOf(context, 'phantom', 1);
    assertGolden('phantom', whole);
    const parts = path.join(temporaryFolder(context), 'parts');
    await train(settings(parts, { ranks: 1, steps: STEPS / 2 }));
    await resume(parts, { steps: STEPS, ranks: 2 });
    assert.deepEqual(losses(parts), whole);
    // Two ranks on each device.
    assert.deepEqual(await lossesOf(context, 'phantom', 4), whole);
  });

  // The last: a lost device stays lost.
  it('ends with the cause when a device is lost', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    process.env['FAKE_CUDA_FAIL'] = 'cuLaunchKernel:0=719';
    await assert.rejects(train(settings(out, { ranks: 2 })), (error) => {
      assert.ok(error instanceof NativeError, String(error));
      assert.match(error.message, /ended with 719.*lost to this process.*--resume/);
      return true;
    });
  });
});
