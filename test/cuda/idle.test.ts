// What the CUDA engine knows of times, on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';

import { countedParts } from '#src/app/ranks/rank-parts.js';
import type { PendingCollective, Transport } from '#src/communicators/communicator.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { callsOfFakeCuda, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();
const WAIT_S = 0.02;

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000 * WAIT_S);
}

/** A group of two that is seen from one rank, and takes its time. */
class Slow {
  readonly name = 'slow';
  readonly rank = 0;
  readonly size = 2;
  readonly maxInFlight = 2;
  readonly needsProgress = false;
  startAllReduceSum(): PendingCollective {
    return { wait: pause };
  }
}

describe('the time that a device has nothing to do', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();
  after(() => delete process.env['FAKE_CUDA_KERNEL_S']);

  it('is that between two calls, unless it has work until the second', async () => {
    const engine = await createCudaEngine();
    const calls = await callsOfFakeCuda();
    const x = engine.allocate([3]);
    const between = (): number => {
      const before = engine.idle.totalS();
      engine.scale(2, x);
      engine.idle.begin();
      pause();
      engine.idle.end();
      const waits = ['cuStreamSynchronize', 'cuEventSynchronize'].map(calls);
      // The stand-in does nothing until somebody waits.
      assert.equal(engine.idle.totalS(), before);
      assert.deepEqual(['cuStreamSynchronize', 'cuEventSynchronize'].map(calls), waits);
      engine.synchronize();
      return engine.idle.totalS() - before;
    };
    assert.ok(between() >= 0.9 * WAIT_S);
    process.env['FAKE_CUDA_KERNEL_S'] = '1000000';
    assert.equal(between(), 0);
    delete process.env['FAKE_CUDA_KERNEL_S'];
    engine.close();
  });

  it('is what communication costs', async () => {
    const engine = await createCudaEngine();
    const parts = countedParts(engine, new Slow() as unknown as Transport);
    const [x, y] = [engine.allocate([3]), engine.allocate([3])];
    const exposedS = (): number => {
      const before = parts.meters.exposedS();
      const pending = parts.communicator.startAllReduceSum(x);
      parts.engine.scale(2, y);
      pending.wait();
      engine.synchronize();
      return parts.meters.exposedS() - before;
    };
    assert.ok(exposedS() >= 0.9 * WAIT_S);
    // The product that was called since the start takes longer than the others.
    process.env['FAKE_CUDA_KERNEL_S'] = '1000000';
    assert.equal(exposedS(), 0);
    delete process.env['FAKE_CUDA_KERNEL_S'];
    engine.close();
  });
});
