// Steps of the CUDA engine as graphs, on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';

import { train } from '#src/app/train/train.js';
import { countedParts } from '#src/app/ranks/rank-parts.js';
import { NativeError, UnsupportedError } from '#src/base/errors.js';
import type { PendingCollective, Transport } from '#src/communicators/communicator.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import { Device } from '#src/engines/cuda/device.js';
import { buildNetwork } from '#src/model/network.js';
import { inputWidth, outputWidth } from '#src/model/specification.js';
import { NetworkRunner } from '#src/serving/network-runner.js';
import type { TrainingEvent } from '#src/training/events.js';

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

  it('make a steady step of four, without allocation, that is waited for twice', async () => {
    const { counts } = await onEngine(plain({}), true);
    assert.deepEqual(counts, {
      cuMemAlloc_v2: 0,
      cuMemHostAlloc: 0,
      cuEventCreate: 0,
      // The loss, and the squares of gradients.
      cuStreamSynchronize: 2,
      cuEventSynchronize: 0,
      cuGraphInstantiateWithFlags: 0,
      // The passes, cut at 64 calls, and the optimizer.
      cuGraphLaunch: 4,
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

  it('has squares of all gradients for clipping in two launches', async () => {
    const launches = async (clipNorm: number | null) => {
      const request = { ...plain({}), ...(clipNorm !== null && { clipNorm }) };
      return (await onEngine(request, false)).counts['cuLaunchKernel'] ?? 0;
    };
    assert.equal((await launches(1)) - (await launches(null)), 2);
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

  it('leave a step its error on a device without memory', async () => {
    const engine = await createCudaEngine();
    const request = { ...plain({}), broken: true };
    const { failure } = trainFewSteps(request, engine, new SoloTransport(), (last) => {
      process.env['FAKE_CUDA_FAIL'] = 'cuMemAlloc_v2:0=2';
      last();
    });
    delete process.env['FAKE_CUDA_FAIL'];
    assert.match(failure ?? '', /the first tensor that is not finite is the input batch/);
    engine.close();
  });

  it('are those of requests that come again, also on several ranks', async () => {
    const engine = await createCudaEngine({ graphs: true });
    const transport = new Twins() as unknown as Transport;
    const { communicator, engine: counted } = countedParts(engine, transport);
    const { specification } = plain({});
    const network = buildNetwork(specification, counted, communicator);
    const maxBatch = 4;
    const runner = new NetworkRunner(
      network,
      { engine: counted, communicator },
      { standardization: null, outputTransform: null, maxBatch, gather: false },
    );
    const x = new Float32Array(inputWidth(specification) * maxBatch);
    const y = new Float32Array(outputWidth(specification) * maxBatch);
    for (const writesAnswers of [true, false]) {
      const answer = () => runner.run({ rows: maxBatch, ghosts: 0, x, y, writesAnswers });
      const calls = await callsOfFakeCuda();
      for (let i = 0; i < 3; i++) answer();
      const [{ replayed }, events] = [{ ...engine.callCounts }, calls('cuEventCreate')];
      for (let i = 0; i < 3; i++) answer();
      assert.ok(engine.callCounts.replayed > replayed);
      assert.equal(calls('cuEventCreate'), events);
    }
    engine.close();
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

  it('that a run goes on without are in its log', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    // The first two or three steps have none yet.
    const steps = { steps: 6, validateEvery: 6, ranks: 1 };
    process.env['FAKE_CUDA_FAIL'] = 'cuGraphInstantiateWithFlags:0=2';
    const events: TrainingEvent[] = [];
    await train(settings(out, steps), { onEvent: (event) => events.push(event) });
    delete process.env['FAKE_CUDA_FAIL'];
    const warning = events.find(({ type }) => type === 'warning');
    assert.match(
      warning?.type === 'warning' ? warning.message : '',
      /cuGraphInstantiateWithFlags.*goes on without graphs/,
    );
    assert.match(readFileSync(path.join(out, 'metrics.jsonl'), 'utf8'), /goes on without graphs/);
  });

  const onesOn = (engine: Awaited<ReturnType<typeof createCudaEngine>>) => {
    const x = engine.allocate([3]);
    return () => {
      engine.fill(x, 1);
      engine.scale(2, x);
      engine.axpy(1, x, x);
      return [...engine.toHost(x)];
    };
  };

  const failing = [
    ...['cuStreamBeginCapture_v2:0=1', 'cuStreamEndCapture:0=901', 'cuLaunchKernel:0=1'],
    ...['cuGraphInstantiateWithFlags:0=2', 'cuGraphLaunch:0=1'],
  ];
  for (const failure of failing) {
    it(`that cannot be had are done without, with one warning: ${failure}`, async (context) => {
      const warn = context.mock.method(process, 'emitWarning', () => {});
      const before = await madeByFakeCuda();
      const engine = await createCudaEngine({ graphs: true });
      const step = onesOn(engine);
      assert.deepEqual(step(), [4, 4, 4]);
      const { single } = engine.callCounts;
      process.env['FAKE_CUDA_FAIL'] = failure;
      assert.deepEqual(step(), [4, 4, 4]);
      delete process.env['FAKE_CUDA_FAIL'];
      for (let i = 0; i < 3; i++) assert.deepEqual(step(), [4, 4, 4]);
      assert.equal(engine.callCounts.single, single + 4 * 3);
      assert.equal(warn.mock.callCount(), 1);
      const said = String(warn.mock.calls[0]?.arguments[0]);
      assert.match(
        said,
        new RegExp(`${failure.split(':')[0]?.replace('_v2', '')}.*without graphs`),
      );
      engine.close();
      assert.equal(await madeByFakeCuda(), before);
    });
  }

  it('leave the error of a call that fails without them too', async (context) => {
    const warn = context.mock.method(process, 'emitWarning', () => {});
    const engine = await createCudaEngine({ graphs: true });
    const step = onesOn(engine);
    step();
    // Once in the capture, and once by itself.
    const fill = context.mock.method(Device.prototype, 'fill', () => {
      throw new NativeError('cuda', 'cuMemsetD32Async ended with 1');
    });
    assert.throws(step, /cuMemsetD32Async ended with 1/);
    fill.mock.restore();
    assert.deepEqual([step(), warn.mock.callCount()], [[4, 4, 4], 0]);
    engine.close();
  });
});
