// Devices that copy from each other, where their ranks are threads of one process, on the stand-in for CUDA's
// libraries.
import assert from 'node:assert/strict';
import path from 'node:path';
import { afterEach, describe, it, type TestContext } from 'node:test';

import { train } from '#src/app/train/train.js';
import { NativeError } from '#src/base/errors.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import type { TrainingSettings } from '#src/settings/settings.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { losses, readMetrics, temporaryFolder } from '../support/files.js';
import { assertGolden, callsOfFakeCuda, settings, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();

describe('devices that copy from each other', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();
  afterEach(() => {
    const names = ['PHANTOM_CUDA_PEERS', 'FAKE_CUDA_PEERS', 'FAKE_CUDA_GARBLED_PEERS'];
    for (const name of names) delete process.env[name];
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

  it('are refused where copies bring other bytes', async (context) => {
    process.env['FAKE_CUDA_GARBLED_PEERS'] = '1';
    await assert.rejects(run(context, { steps: 1 }), (error) => {
      assert.ok(error instanceof NativeError, String(error));
      assert.match(error.message, /wrong bytes.*PHANTOM_CUDA_PEERS=off copies/);
      return true;
    });
  });

  /** Engines of both devices; the first is the thread's. */
  async function pair(onWarning: (message: string) => void = assert.fail) {
    const open = (localRank: number) => createCudaEngine({ devices: [0, 1], localRank, onWarning });
    const other = await open(1);
    const from = other.peers?.allocateRoom(256) ?? 0;
    const own = await open(0);
    assert.ok(own.peers && other.peers);
    const close = () => [own, other].forEach((engine) => engine.close());
    return { own, peers: own.peers, place: other.peers.place, from, close };
  }

  it('say which call failed', async () => {
    const { peers, place, from, close } = await pair();
    const to = peers.allocateRoom(256);
    const mark = peers.createMark(peers.place);
    const made: readonly (readonly [string, () => void])[] = [
      ['cuDevicePrimaryCtxRetain', () => peers.reach(place)],
      ['cuDeviceCanAccessPeer', () => peers.reach(place)],
      ['cuCtxEnablePeerAccess', () => peers.reach(place)],
      ['cuEventCreate', () => peers.createMark(place)],
      ['cuStreamCreate', () => peers.markCopies(mark)],
      ['cuEventRecord', () => peers.markCopies(mark)],
      ['cuStreamWaitEvent', () => peers.holdCopies(mark)],
      ['cuMemcpyPeerAsync', () => peers.copyFrom(place, from, to, 256)],
    ];
    for (const [name, call] of made) {
      process.env['FAKE_CUDA_FAIL'] = `${name}:0=1`;
      assert.throws(call, new RegExp(`${name} ended with 1`));
      delete process.env['FAKE_CUDA_FAIL'];
      call();
    }
    close();
  });

  it('reach no device whose context is another by now', async () => {
    const { peers, place, close } = await pair();
    const gone = { ...place, context: place.context + 8 };
    assert.throws(() => peers.reach(gone), /device 1 was closed before/);
    assert.throws(() => peers.reach(gone), /device 1 was closed before/);
    close();
  });

  it('take room for sums out of the capacity, and say what to do where there is none', async () => {
    const { own, peers, close } = await pair();
    const before = own.capacityBytes;
    peers.allocateRoom(2 ** 20);
    assert.equal(own.capacityBytes, before - 2 ** 20);
    assert.throws(
      () => peers.allocateRoom(2 ** 40),
      /take 1024.00 GiB.*smaller batches, or PHANTOM_CUDA_PEERS=off/,
    );
    close();
  });

  it('warn when memory stays taken that others could copy from', async () => {
    const warnings: string[] = [];
    const { peers, close } = await pair((message) => void warnings.push(message));
    peers.lend();
    close();
    assert.match(
      warnings.join(),
      /could copy from its memory on device 0 .* until the process ends/,
    );
    peers.returned();
    close();
    assert.equal(warnings.length, 1);
  });
});
