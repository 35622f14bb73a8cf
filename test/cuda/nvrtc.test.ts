// NVRTC in a folder that the loader does not know, as in a Python package: it opens the library of its built-in
// functions by name.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { NativeError } from '#src/base/errors.js';
import { compileKernels } from '#src/engines/cuda/compile.js';
import { KERNELS } from '#src/engines/cuda/kernel-launcher.js';
import { type Nvrtc, openNvrtc } from '#src/native/nvrtc.js';

import { fakeCuda, reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { temporaryFolder } from '../support/files.js';

process.env['PHANTOM_CUDA_CACHE'] = 'off';

/** The real one, which needs no GPU: of PHANTOM_NVRTC, or where the loader or CUDA's installer has it. */
async function installed(): Promise<Nvrtc | string> {
  try {
    return await openNvrtc(13);
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    return error.message;
  }
}
const nvrtc = await installed();
const noNvrtc = typeof nvrtc === 'string' ? nvrtc : false;

test(
  'NVRTC compiles every kernel for compute capability 7.5 to 10.0',
  { skip: noNvrtc },
  async () => {
    if (typeof nvrtc === 'string') throw new Error(nvrtc);
    for (const capability of [75, 80, 90, 100]) {
      const binary = Buffer.from(await compileKernels(nvrtc, capability)).toString('latin1');
      for (const name of KERNELS) assert.ok(binary.includes(`.text.${name}\0`), name);
    }
  },
);

test(
  'built-in functions are opened beside an NVRTC that is opened by a path',
  { skip: reasonToSkipFakeCuda() ?? false },
  async (context) => {
    process.env['FAKE_CUDA_BUILTINS'] = '99';
    context.after(() => delete process.env['FAKE_CUDA_BUILTINS']);
    const folder = temporaryFolder(context);
    const library = path.join(folder, 'libnvrtc.so.13');
    symlinkSync(fakeCuda().PHANTOM_NVRTC, library);
    const compiled = async () => compileKernels(await openNvrtc(13, library), 90);
    await assert.rejects(compiled(), /failed to open libnvrtc-builtins\.so\.13\.99/);
    const name = 'libnvrtc-builtins.so.13.99';
    const args = ['-shared', `-Wl,-soname,${name}`, '-x', 'c++', '/dev/null'];
    const made = spawnSync('g++', [...args, '-o', path.join(folder, name)], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    assert.ok((await compiled()).length > 0);
  },
);
