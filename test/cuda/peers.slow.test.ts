// Devices that copy from each other: the contract of a communicator, and everything that is golden, on the stand-in
// for CUDA's libraries.
import assert from 'node:assert/strict';
import path from 'node:path';
import { afterEach, describe, it, type TestContext } from 'node:test';

import { train } from '#src/app/train/train.js';
import { NativeError, PhantomError } from '#src/base/errors.js';
import type { TrainingSettings } from '#src/settings/settings.js';

import { threads } from '../contract/communicator-contract-threads.js';
import { communicatorContract, type RunGroup } from '../contract/communicator-contract.js';
import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { VARIANTS } from '../golden/golden-losses.js';
import { losses, temporaryFolder } from '../support/files.js';
import { resume } from '../support/resume.js';
import { assertGolden, callsOfFakeCuda, settings, STEPS, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();
const skips = [
  {
    reason: 'ranks meet in the waits, so they have to wait in one order in different groups',
    tests: ['runs collectives of the whole and of its parts side by side'],
  },
];

describe('collectives by peer copies', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();
  afterEach(() => {
    const names = ['PHANTOM_CUDA_PEERS', 'FAKE_CUDA_PEERS', 'FAKE_CUDA_FAIL', 'FAKE_CUDA_ORDER'];
    for (const name of names) delete process.env[name];
  });

  const having =
    (variables: Record<string, string>, run: RunGroup): RunGroup =>
    async (size, contract) => {
      Object.assign(process.env, variables);
      try {
        await run(size, contract);
      } finally {
        for (const name of Object.keys(variables)) delete process.env[name];
      }
    };
  communicatorContract('two devices', threads({ devices: 2 }), {
    sizes: [2],
    failureSizes: [2],
    skips,
  });
  communicatorContract('one device', threads({ devices: 1 }), { sizes: [2], skips });
  communicatorContract(
    'two devices whose streams run in any order',
    having({ FAKE_CUDA_ORDER: '7' }, threads({ devices: 2 })),
    { sizes: [4], skips },
  );
  communicatorContract(
    'two devices that do not reach each other',
    having({ FAKE_CUDA_PEERS: '0' }, threads({ devices: 2 })),
    { sizes: [3], skips },
  );

  const MORE: Readonly<Record<string, Partial<TrainingSettings>>> = {
    ...VARIANTS,
    'phantom on four ranks': { ranks: 4 },
    'tensor-paired on four ranks': { strategy: 'tensor-paired', ranks: 4 },
    'tensor-paired on replicas': { strategy: 'tensor-paired', replicas: 2 },
    'phantom on replicas': { replicas: 2 },
    'residual blocks': { architecture: 'residual', norm: 'rms', gated: true, clipNorm: 1 },
  };
  for (const [name, variant] of Object.entries(MORE)) {
    it(`has the bits of copies by way of the host, also of a run resumed: ${name}`, async (context) => {
      const whole = path.join(temporaryFolder(context), 'whole');
      process.env['PHANTOM_CUDA_PEERS'] = 'off';
      await train(settings(whole, { ranks: 2, ...variant }));
      delete process.env['PHANTOM_CUDA_PEERS'];
      const parts = path.join(temporaryFolder(context), 'parts');
      await train(settings(parts, { ranks: 2, ...variant, steps: STEPS / 2 }));
      await resume(parts, { steps: STEPS });
      assert.deepEqual(losses(parts), losses(whole));
      if (name in VARIANTS) assertGolden(name, losses(parts));
    });
  }

  const run = (context: TestContext) =>
    train(settings(path.join(temporaryFolder(context), 'run'), { ranks: 2, steps: 2 }));
  const CALLS = [...['cuDeviceCanAccessPeer', 'cuCtxEnablePeerAccess', 'cuStreamWaitEvent']];
  for (const call of CALLS) {
    it(`ends with the cause when a call fails: ${call}`, async (context) => {
      process.env['FAKE_CUDA_FAIL'] = `${call}:0=1`;
      await assert.rejects(run(context), (error) => {
        assert.ok(error instanceof NativeError, String(error));
        assert.match(error.message, new RegExp(`${call} ended with 1`));
        return true;
      });
      delete process.env['FAKE_CUDA_FAIL'];
      await run(context);
    });
  }

  for (const ranks of [2, 4]) {
    it(`has the bits of any other order where streams run in a drawn one: ${ranks} ranks`, async (context) => {
      const of = async (name: string) => {
        const out = path.join(temporaryFolder(context), name);
        await train(settings(out, { ranks }));
        return losses(out);
      };
      const plain = await of('plain');
      process.env['FAKE_CUDA_ORDER'] = '7';
      const drawn = await of('drawn');
      assert.deepEqual(drawn, plain);
      if (ranks === 2) assertGolden('phantom', drawn);
    });
  }

  it('allocates nothing in later steps, and copies no ghost to the host', async (context) => {
    const calls = await callsOfFakeCuda();
    const names = ['cuMemAlloc_v2', 'cuMemHostAlloc', 'cuEventCreate', 'cuMemcpyDtoHAsync_v2'];
    const of = async (steps: number) => {
      const before = names.map(calls);
      const out = path.join(temporaryFolder(context), 'run');
      await train(settings(out, { ranks: 2, steps, logEvery: 100, validateEvery: 100 }));
      return names.map((name, i) => calls(name) - (before[i] ?? 0));
    };
    const [few, more] = [await of(4), await of(8)];
    assert.deepEqual(more.slice(0, 3), few.slice(0, 3));
    // The loss of each rank and step, and no more.
    assert.equal((more[3] ?? 0) - (few[3] ?? 0), 2 * 4);
  });

  it('ends with the call that failed, on all ranks', async (context) => {
    const calls = await callsOfFakeCuda();
    // Behind the check of copies, which has two.
    process.env['FAKE_CUDA_FAIL'] = `cuMemcpyPeerAsync:${calls('cuMemcpyPeerAsync') + 8}=1`;
    await assert.rejects(run(context), (error) => {
      assert.ok(error instanceof NativeError, String(error));
      assert.match(error.message, /cuMemcpyPeerAsync ended with 1.*PHANTOM_CUDA_PEERS=off copies/);
      return true;
    });
    delete process.env['FAKE_CUDA_FAIL'];
    await run(context);
  });

  it('goes on by way of the driver where a device reaches as many as it can', async (context) => {
    process.env['FAKE_CUDA_FAIL'] = 'cuCtxEnablePeerAccess:0=711';
    await run(context);
  });

  it('ends all ranks where a loss is not finite, and works again then', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await assert.rejects(
      train(settings(out, { ranks: 2, lr: 1e30, optimizer: 'sgd' })),
      (error) => error instanceof PhantomError && /finite/.test(error.message),
    );
    await run(context);
  });
});
