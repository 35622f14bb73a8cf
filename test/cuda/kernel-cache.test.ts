// Kernels that are kept in a folder are compiled once, on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';

import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { temporaryFolder } from '../support/files.js';
import { callsOfFakeCuda, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();

describe('kernels that are kept', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();

  /** The engine finds its kernels in this folder until the test has ended. */
  function keepIn(context: TestContext, folder: string): void {
    process.env['PHANTOM_CUDA_CACHE'] = folder;
    context.after(() => delete process.env['PHANTOM_CUDA_CACHE']);
  }

  test('are compiled by the first engine alone, and compute the same', async (context) => {
    const folder = path.join(temporaryFolder(context), 'kernels');
    keepIn(context, folder);
    const calls = await callsOfFakeCuda();
    const before = calls('nvrtcCompileProgram');
    for (let i = 0; i < 2; i++) {
      const engine = await createCudaEngine();
      const [z, out] = [engine.allocate([1, 2]), engine.allocate([1, 2])];
      engine.toDevice(Float32Array.of(-1, 3), z);
      engine.biasActivation('relu', z, null, out);
      assert.deepEqual([...engine.toHost(out)], [0, 3]);
      engine.close();
    }
    assert.equal(calls('nvrtcCompileProgram') - before, 1);
    assert.match(readdirSync(folder).join(), /^[\da-f]{64}-sm_\d+\.cubin$/);
  });

  test('are refused by what is no folder, with the reason', async (context) => {
    const file = path.join(temporaryFolder(context), 'file');
    writeFileSync(file, '');
    keepIn(context, file);
    await assert.rejects(
      createCudaEngine(),
      /\[cuda\] PHANTOM_CUDA_CACHE is .*file.*choose another folder/,
    );
  });
});
