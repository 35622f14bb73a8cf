// Steps of the CUDA engine as graphs, on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';

import { train } from '#src/app/train/train.js';
import { NativeError, UnsupportedError } from '#src/base/errors.js';
import type { PendingCollective, Transport } from '#src/communicators/communicator.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { losses, temporaryFolder } from '../support/files.js';
import { CASES, plain, trainFewSteps } from '../training/few-steps.js';
import { callsOfFakeCuda, madeByFakeCuda, settings, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();
/** Of the driver and cuBLASLt: what a steady step may not do, or as often as it says. */
const COUNTED = [
  ...['cuMemAlloc_v2', 'cuMemHostAlloc', 'cuEventCreate', 'cuStreamSynchronize'],
  ...['cuEventSynchronize', 'cuGraphInstantiateWithFlags', 'cuGraphLaunch', 'cuLaunchKernel'],
  ...['cublasLtMatmul', 'cuMemcpyHtoDAsync_v2'],
];

/** A group of two that is seen from one rank: the other one has the same. */
class Twins {
  readonly name = 'twins';
  readonly description = 'twins';
  readonly rank = 0;
  readonly size = 2;
  readonly maxInFlight = 8;
  readonly needsProgress = false;
  startAllGather(send: Uint8Array, receive: Uint8Array): PendingCollective {
    receive.set(send);
    receive.set(send, send.length);
    return { wait() {} };
  }
  startReduceScatterSum(send: Float32Array, receive: Float32Array): PendingCollective {
    for (const i of receive.keys()) receive[i] = 2 * send[i];
    return { wait() {} };
  }
  startAllReduceSum(buffer: Float32Array | Float64Array): PendingCollective {
    for (const i of buffer.keys()) buffer[i] *= 2;
    return { wait() {} };
  }
  barrier(): void {}
}

describe('CUDA graphs', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();

  const onEngine = async (
    request: (typeof CASES)[string],
    graphs: boolean,
    transport: Transport = new SoloTransport(),
  ) => {
    const engine = await createCudaEngine({ graphs });
    const calls = await callsOfFakeCuda();
    const counts: Record<string, number> = {};
    const numbers = trainFewSteps(request, engine, transport, (last) => {
      for (const name of COUNTED) counts[name] = -calls(name);
      last();
      for (const name of COUNTED) counts[name] = (counts[name] ?? 0) + calls(name);
    });
    const { single, replayed } = engine.callCounts;
    engine.close();
    return { numbers, counts, single, replayed };
  };

  const NAMES = [
    ...['phantom', 'phantom in bfloat16', 'tensor-paired, residual with dropout'],
    ...['nested ghosts, weighted samples', 'micro-batches, clipping, an average'],
  ];
  for (const name of NAMES) {
    it(`has the bits of calls one by one: ${name}`, async () => {
      const request = CASES[name];
      const before = await madeByFakeCuda();
      const [one, graphs] = [await onEngine(request, false), await onEngine(request, true)];
      assert.deepEqual(graphs.numbers, one.numbers);
      assert.equal(graphs.single + graphs.replayed, one.single);
      assert.ok(graphs.replayed > 0);
      assert.equal(one.replayed, 0);
      assert.equal(await madeByFakeCuda(), before);
    });
  }

  it('make a steady step of two, without allocation, that is waited for twice', async () => {
    const { counts } = await onEngine(plain({}), true);
    assert.deepEqual(counts, {
      cuMemAlloc_v2: 0,
      cuMemHostAlloc: 0,
      cuEventCreate: 0,
      // The loss, and the squares of gradients.
      cuStreamSynchronize: 2,
      cuEventSynchronize: 0,
      cuGraphInstantiateWithFlags: 0,
      // The passes, and the optimizer.
      cuGraphLaunch: 2,
      cuLaunchKernel: 0,
      cublasLtMatmul: 0,
      // Inputs, targets, and the numbers of the optimizer.
      cuMemcpyHtoDAsync_v2: 3,
    });
    const { counts: single } = await onEngine(plain({}), false);
    assert.equal(single['cuGraphLaunch'], 0);
    assert.ok((single['cuLaunchKernel'] ?? 0) > 10 && (single['cublasLtMatmul'] ?? 0) > 10);
    assert.deepEqual([single['cuStreamSynchronize'], single['cuMemAlloc_v2']], [2, 0]);
  });

  it('lie between exchanges on several ranks, where a steady step allocates nothing either', async () => {
    const of = (graphs: boolean) =>
      onEngine(plain({}), graphs, new Twins() as unknown as Transport);
    const [one, graphs] = [await of(false), await of(true)];
    assert.deepEqual(graphs.numbers, one.numbers);
    const { counts } = graphs;
    for (const name of ['cuMemAlloc_v2', 'cuMemHostAlloc', 'cuEventCreate']) {
      assert.equal(counts[name], 0, name);
    }
    assert.deepEqual(
      [counts['cuStreamSynchronize'], counts['cuGraphInstantiateWithFlags']],
      [2, 0],
    );
    // Two exchanges for each of two layers, and the output's.
    assert.equal(counts['cuEventSynchronize'], 5);
    assert.ok((counts['cuGraphLaunch'] ?? 0) >= 5);
    const single = (run: typeof one) => run.counts['cuLaunchKernel'] ?? 0;
    assert.ok(single(graphs) < single(one), `${single(graphs)} of ${single(one)}`);
  });

  it('has the same losses on two ranks without them', async (context) => {
    const of = async (graphs: string) => {
      const out = path.join(temporaryFolder(context), graphs);
      process.env['PHANTOM_CUDA_GRAPHS'] = graphs;
      await train(settings(out, { ranks: 2 }));
      delete process.env['PHANTOM_CUDA_GRAPHS'];
      return losses(out);
    };
    assert.deepEqual(await of('on'), await of('off'));
    process.env['PHANTOM_CUDA_GRAPHS'] = 'maybe';
    await assert.rejects(
      createCudaEngine(),
      (error) =>
        error instanceof UnsupportedError && /is maybe; it is on or off/.test(error.message),
    );
    delete process.env['PHANTOM_CUDA_GRAPHS'];
  });

  it('that cannot be made say how to do without, and the engine goes on', async () => {
    const before = await madeByFakeCuda();
    const engine = await createCudaEngine({ graphs: true });
    const x = engine.allocate([3]);
    const step = () => {
      engine.fill(x, 1);
      engine.scale(2, x);
      engine.axpy(1, x, x);
      return [...engine.toHost(x)];
    };
    step();
    const failing = [
      ...['cuStreamBeginCapture_v2:0=1', 'cuStreamEndCapture:0=901'],
      ...['cuGraphInstantiateWithFlags:0=2', 'cuGraphLaunch:0=1', 'cuLaunchKernel:0=1'],
    ];
    for (const failure of failing) {
      process.env['FAKE_CUDA_FAIL'] = failure;
      // The last one has a graph by then, and calls that are new.
      const work = failure.startsWith('cuLaunchKernel') ? () => engine.scale(3, x) : step;
      assert.throws(
        () => [work(), engine.synchronize()],
        (error) =>
          error instanceof NativeError &&
          /PHANTOM_CUDA_GRAPHS=off/.test(error.message) !== failure.startsWith('cuLaunchKernel'),
        failure,
      );
      delete process.env['FAKE_CUDA_FAIL'];
    }
    assert.deepEqual(step(), [4, 4, 4]);
    engine.close();
    assert.equal(await madeByFakeCuda(), before);
  });

  it('leave the stream usable when a call fails while it is captured', async () => {
    const before = await madeByFakeCuda();
    const engine = await createCudaEngine({ graphs: true });
    const x = engine.allocate([3]);
    const step = () => {
      engine.fill(x, 1);
      engine.scale(2, x);
      return [...engine.toHost(x)];
    };
    step();
    process.env['FAKE_CUDA_FAIL'] = 'cuLaunchKernel:0=1';
    assert.throws(step, /cuLaunchKernel ended with 1/);
    delete process.env['FAKE_CUDA_FAIL'];
    assert.deepEqual(
      [step(), step()],
      [
        [2, 2, 2],
        [2, 2, 2],
      ],
    );
    assert.deepEqual(engine.callCounts.captured, 1);
    engine.close();
    assert.equal(await madeByFakeCuda(), before);
  });
});
