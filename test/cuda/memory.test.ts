// Memory of CUDA devices comes back, on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { NativeError, UnsupportedError } from '#src/base/errors.js';
import { rankMemory } from '#src/analysis/step-memory.js';
import { checkMemory } from '#src/app/train/plan-run.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import { inToolkit, openCudaDriver } from '#src/native/cuda.js';
import { resolveSettings } from '#src/settings/resolve.js';
import { lossOptionsOf } from '#src/settings/loss-settings.js';
import { asMatrix, bytesOf } from '#src/tensor/tensor.js';

import { fakeCuda, reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { temporaryFolder } from '../support/files.js';
import { callsOfFakeCuda, madeByFakeCuda as made } from './training-runs.js';

const skip = reasonToSkipFakeCuda();
const MIB = 2 ** 20;

describe('memory of CUDA devices', { skip: skip ?? false }, () => {
  if (skip === null) Object.assign(process.env, fakeCuda(), { FAKE_CUDA_DEVICES: '2' });

  async function freeBytes(): Promise<number> {
    const free = new BigUint64Array(1);
    const driver = await openCudaDriver();
    assert.equal(driver.memory(free, new BigUint64Array(1)), 0);
    return Number(free[0]);
  }
  test('comes back when engines are closed, however many there were', async () => {
    const other = await createCudaEngine();
    const before = [await freeBytes(), await made()];
    // Together more than the device has.
    for (let i = 0; i < 4; i++) {
      const engine = await createCudaEngine();
      const large = engine.allocate([160 * MIB]);
      const [a, c] = [engine.allocate([8, 8]), engine.allocate([8, 8])];
      engine.toDevice(new Float32Array(64).fill(2), a);
      engine.gemm(false, false, 1, asMatrix(a), asMatrix(a), 0, asMatrix(c));
      engine.startToHost(c, new Float32Array(64)).wait();
      engine.fill(large, 1);
      assert.ok((await freeBytes()) < (before[0] ?? 0) - 640 * MIB);
      engine.close();
      engine.close();
      assert.deepEqual([await freeBytes(), await made()], before);
    }
    const tensor = other.allocate([3]);
    other.fill(tensor, 2);
    assert.deepEqual([...other.toHost(tensor)], [2, 2, 2]);
    other.close();
  });

  test('comes back of engines that could not be made', async () => {
    const before = await made();
    for (const call of ['cuStreamCreate', 'nvrtcCompileProgram', 'cublasLtCreate']) {
      process.env['FAKE_CUDA_FAIL'] = `${call}:0=1`;
      await assert.rejects(createCudaEngine(), NativeError);
      delete process.env['FAKE_CUDA_FAIL'];
      assert.equal(await made(), before, call);
    }
  });

  test('is that of the engine closed, not of the one that its thread opened last', async () => {
    const first = await createCudaEngine({ devices: [0] });
    const second = await createCudaEngine({ devices: [1] });
    const before = await freeBytes();
    first.close();
    assert.equal(await freeBytes(), before);
    const tensor = second.allocate([2]);
    second.fill(tensor, 3);
    assert.deepEqual([...second.toHost(tensor)], [3, 3]);
    second.close();
  });

  test('takes little more than tensors of some MiB need', async () => {
    const engine = await createCudaEngine();
    const before = await freeBytes();
    const used = async () => before - (await freeBytes());
    for (let i = 0; i < 16; i++) engine.allocate([(9 * MIB) / 4]);
    assert.equal(await used(), 16 * 9 * MIB);
    // 10 in 16 MiB, of which they leave 1 MiB for small ones.
    for (let i = 0; i < 40; i++) engine.allocate([(3 * MIB) / 8]);
    assert.equal(await used(), (16 * 9 + 64) * MIB);
    for (let i = 0; i < 16; i++) engine.allocate([MIB / 16]);
    assert.equal(await used(), (16 * 9 + 64) * MIB);
    assert.equal(engine.allocatedBytes, (16 * 9 + 64) * MIB);
    engine.close();
  });

  test('of a device that has no room for a chunk is that of the tensor alone', async () => {
    const engine = await createCudaEngine();
    const before = await freeBytes();
    process.env['FAKE_CUDA_FAIL'] = 'cuMemAlloc_v2:0=2';
    engine.allocate([(3 * MIB) / 4]);
    delete process.env['FAKE_CUDA_FAIL'];
    assert.equal(before - (await freeBytes()), 3 * MIB);
    engine.close();
  });

  test('is read in large pieces while later calls go on', async () => {
    const engine = await createCudaEngine();
    const length = (9 * MIB) / 4 + 3;
    const tensor = engine.allocate([length]);
    const values = Float32Array.from({ length }, (_, i) => i);
    engine.toDevice(values, tensor);
    const into = new Float32Array(length);
    const copy = engine.startToHost(tensor, into);
    // The stand-in's streams run only when somebody waits.
    assert.ok(into.every((value) => value === 0));
    engine.fill(tensor, 7);
    copy.wait();
    assert.deepEqual(into, values);
    engine.close();
  });

  test('of the host is bounded, and writes of any size wait for nothing', async () => {
    const engine = await createCudaEngine();
    const count = await callsOfFakeCuda();
    const values = Float32Array.from({ length: 3 * MIB - 5 }, (_, i) => i % 977);
    const x = engine.allocate([values.length]);
    const waits = () => count('cuStreamSynchronize') + count('cuEventSynchronize');
    const before = waits();
    engine.toDevice(values, x);
    engine.toDevice(values, x);
    assert.equal(waits(), before);
    const pages = count('cuMemHostAlloc');
    // 3 blocks each, of 32 at most, the writes' among them.
    const reads = Array.from({ length: 14 }, () => {
      const into = new Float32Array(values.length);
      return { into, copy: engine.startToHost(x, into) };
    });
    assert.ok(count('cuMemHostAlloc') - pages <= 32, `${count('cuMemHostAlloc') - pages}`);
    // In any order, and more than once.
    for (const { copy } of reads.toReversed()) copy.wait();
    for (const { into, copy } of reads) {
      copy.wait();
      assert.deepEqual(into, values);
    }
    engine.close();
  });

  test('products that no algorithm is for name a remedy that helps', async () => {
    const engine = await createCudaEngine();
    for (const dtype of ['float32', 'bfloat16'] as const) {
      const [a, c] = [engine.allocate([3, 3], dtype), engine.allocate([3, 3])];
      engine.fill(c, 1);
      if (a.dtype === 'bfloat16') engine.encodeRows('bfloat16', c, bytesOf(a));
      engine.synchronize();
      process.env['FAKE_CUDA_FAIL'] = 'state:0=15';
      assert.throws(
        () => engine.gemm(false, false, 1, asMatrix(a), asMatrix(a), 0, asMatrix(c)),
        (error) =>
          error instanceof UnsupportedError &&
          /status 15/.test(error.message) &&
          /--compute float32/.test(error.message) === (dtype === 'bfloat16'),
      );
      delete process.env['FAKE_CUDA_FAIL'];
    }
    engine.close();
  });

  test('a product takes an algorithm that is known without alignments where its own do for that', async () => {
    const engine = await createCudaEngine();
    const [a, c] = [engine.allocate([4, 4]), engine.allocate([4, 4])];
    engine.fill(a, 2);
    engine.synchronize();
    process.env['FAKE_CUDA_FAIL'] = 'state:0=15';
    engine.gemm(false, false, 1, asMatrix(a), asMatrix(a), 0, asMatrix(c));
    delete process.env['FAKE_CUDA_FAIL'];
    assert.deepEqual(
      [...engine.toHost(c)],
      Array.from({ length: 16 }, () => 16),
    );
    engine.close();
  });

  test('gelu keeps its digits far below zero', async () => {
    const engine = await createCudaEngine();
    const [z, out] = [engine.allocate([1, 2]), engine.allocate([1, 2])];
    engine.toDevice(Float32Array.of(-5, -8), z);
    engine.biasActivation('gelu', z, null, out);
    // x · Φ(x).
    const expected = [-1.4332578594e-6, -4.9767684594e-15];
    for (const [i, value] of engine.toHost(out).entries()) {
      const near = expected[i] ?? NaN;
      assert.ok(Math.abs(value - near) < 1e-4 * Math.abs(near), `${value}, ${near}`);
    }
    engine.close();
  });
});

test('libraries of the major version that the driver has are tried first', () => {
  const first = (driver: number) => inToolkit('libnvrtc.so', driver)[0];
  assert.deepEqual([12, 13, 14].map(first), ['libnvrtc.so.12', 'libnvrtc.so.13', 'libnvrtc.so.13']);
});

test('libraries of the toolkit are looked for in folders of its versions, the newest first', (context) => {
  const root = temporaryFolder(context);
  for (const name of ['cuda-12.9', 'cuda-13', 'cuda-13.2', 'cuda-13.10', 'cuda-backup']) {
    mkdirSync(path.join(root, name));
  }
  const folders = inToolkit('libx.so', 13, root).map((one) => path.relative(root, one));
  const at = (major: number, ...names: string[]) =>
    names.map((one) => `${one}/lib64/libx.so.${major}`);
  assert.deepEqual(
    folders.filter((one) => one.startsWith('cuda')),
    [...at(13, 'cuda', 'cuda-13.10', 'cuda-13.2', 'cuda-13'), ...at(12, 'cuda', 'cuda-12.9')],
  );
});

test('ranks that share a device have to fit it together', () => {
  const settings = resolveSettings([{ where: 'test', settings: { ranks: 4, batch: 32 } }]);
  const network = { strategy: 'phantom', width: 4096, depth: 4, blocks: 4, ghosts: 8 } as const;
  const specification = { ...network, activation: 'relu', ends: { kind: 'sharded' } } as const;
  const lossOptions = lossOptionsOf(settings);
  const plan = { specification, loss: 'mse', lossOptions, weighting: null } as const;
  const beside = { besideBytes: 0, collectiveBytes: 0 };
  const check = (devices: number, gib: number, more = beside) =>
    checkMemory(plan as never, settings, { capacityBytes: gib * 2 ** 30, devices, ...more }, 4);
  // A rank needs 4 layers of 1024² weights, their gradients and the optimizer's: 32 to 80 MiB.
  assert.equal(check(4, 0.1), null);
  assert.match(check(1, 0.4) ?? '', /^4 ranks on 1 device: they take turns; one rank has all/);
  assert.throws(
    () => check(1, 0.1),
    /4 ranks share a device, which has 0\.10 GiB; use more devices/,
  );
  assert.throws(() => check(0, 0.01), /its engine can address 0\.01 GiB; use more ranks/);
  const own = { besideBytes: 48 * MIB, collectiveBytes: 16 * MIB };
  // Of each rank the room of sums, and of those that share a device with others what an engine takes itself.
  const fits = (devices: number, bytes: number, more: typeof own) => {
    check(devices, bytes / 2 ** 30, more);
    assert.throws(
      () => check(devices, (bytes - 1) / 2 ** 30, more),
      /beside|copies between|address/,
    );
  };
  const sizes = { specification, columns: 32, ranks: 4, inputGradient: false, average: false };
  const { totalBytes } = rankMemory({ ...sizes, loss: 'mse', optimizer: settings.optimizer }, 0);
  fits(4, totalBytes, beside);
  fits(4, totalBytes + 16 * MIB, own);
  fits(1, 4 * (totalBytes + 16 * MIB) + 3 * 48 * MIB, own);
});
