// Devices that copy from each other, where their ranks are threads of one process, on the stand-in for CUDA's
// libraries.
import assert from 'node:assert/strict';
import path from 'node:path';
import { afterEach, describe, it, type TestContext } from 'node:test';

import { train } from '#src/app/train/train.js';
import { NativeError } from '#src/base/errors.js';
import type { TrainingSettings } from '#src/settings/settings.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { losses, readMetrics, temporaryFolder } from '../support/files.js';
import { assertGolden, callsOfFakeCuda, settings, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();

describe('devices that copy from each other', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();
  afterEach(() => {
    for (const name of ['PHANTOM_CUDA_PEERS', 'FAKE_CUDA_PEERS']) delete process.env[name];
  });

  async function run(context: TestContext, others: Partial<TrainingSettings> = {}) {
    const out = path.join(temporaryFolder(context), 'run');
    await train(settings(out, { ranks: 2, ...others }));
    const start = readMetrics(out).find(({ type }) => type === 'start');
    return { losses: losses(out), communicator: start?.['communicator'] };
  }

  it('have the bits of copies by way of the host, and say which they are', async (context) => {
    const calls = await callsOfFakeCuda();
    const of = async (variables: Record<string, string>) => {
      const before = calls('cuMemcpyPeerAsync');
      Object.assign(process.env, variables);
      const result = await run(context);
      return { ...result, copies: calls('cuMemcpyPeerAsync') - before };
    };
    const [peers, driver, host] = [
      await of({}),
      await of({ FAKE_CUDA_PEERS: '0' }),
      await of({ PHANTOM_CUDA_PEERS: 'off' }),
    ];
    assertGolden('phantom', peers.losses);
    assert.deepEqual(driver.losses, peers.losses);
    assert.deepEqual(host.losses, peers.losses);
    const said = [peers, driver, host].map(({ communicator }) => communicator);
    assert.deepEqual(said, [
      '2 worker threads, peer copies between devices',
      '2 worker threads, peer copies between devices by way of the driver',
      "2 worker threads, by way of the host's memory",
    ]);
    assert.ok(peers.copies > 0 && driver.copies === peers.copies && host.copies === 0);
  });

  it('allocate nothing in later steps, and copy no ghost to the host', async (context) => {
    const calls = await callsOfFakeCuda();
    const names = ['cuMemAlloc_v2', 'cuMemHostAlloc', 'cuEventCreate', 'cuMemcpyDtoHAsync_v2'];
    const of = async (steps: number) => {
      const before = names.map(calls);
      await run(context, { steps, logEvery: 100, validateEvery: 100 });
      return names.map((name, i) => calls(name) - (before[i] ?? 0));
    };
    const [few, more] = [await of(4), await of(8)];
    assert.deepEqual(more.slice(0, 3), few.slice(0, 3));
    // The loss of each rank and step, and no more.
    assert.equal((more[3] ?? 0) - (few[3] ?? 0), 2 * 4);
  });

  it('end with the call that failed, on all ranks', async (context) => {
    process.env['FAKE_CUDA_FAIL'] = 'cuMemcpyPeerAsync:0=1';
    await assert.rejects(run(context), (error) => {
      assert.ok(error instanceof NativeError, String(error));
      assert.match(error.message, /cuMemcpyPeerAsync ended with 1.*PHANTOM_CUDA_PEERS=off copies/);
      return true;
    });
    delete process.env['FAKE_CUDA_FAIL'];
    assertGolden('phantom', (await run(context)).losses);
  });
});
