// Kernels that are kept in a folder are compiled once, on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';

import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import { kept, kernelFolder, MOST_KEPT } from '#src/engines/cuda/kernel-cache.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { temporaryFolder } from '../support/files.js';
import { callsOfFakeCuda, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();

describe('kernels that are kept', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();

  /** The engine finds its kernels in this folder until the test has ended. */
  function keepIn(context: TestContext, folder: string): void {
    process.env['PHANTOM_CUDA_CACHE'] = folder;
    context.after(() => (process.env['PHANTOM_CUDA_CACHE'] = 'off'));
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
    assert.match(readdirSync(folder).join(), /^[\da-f]{64}\.cubin$/);
  });

  test('are compiled again where a file is damaged, and where the capability is another', async (context) => {
    const folder = temporaryFolder(context);
    keepIn(context, folder);
    const calls = await callsOfFakeCuda();
    const compiled = async (): Promise<number> => {
      const before = calls('nvrtcCompileProgram');
      (await createCudaEngine()).close();
      return calls('nvrtcCompileProgram') - before;
    };
    assert.equal(await compiled(), 1);
    const file = path.join(folder, readdirSync(folder)[0]);
    for (const content of [readFileSync(file).subarray(0, -1), Buffer.alloc(0)]) {
      writeFileSync(file, content);
      assert.deepEqual([await compiled(), await compiled()], [1, 0]);
    }
    process.env['FAKE_CUDA_CAPABILITY'] = '80';
    context.after(() => delete process.env['FAKE_CUDA_CAPABILITY']);
    assert.deepEqual([await compiled(), await compiled()], [1, 0]);
    assert.equal(readdirSync(folder).length, 2);
  });

  test("are in the user's folder where none is named, and nowhere where that cannot be", async (context) => {
    const folder = temporaryFolder(context);
    assert.deepEqual(kernelFolder({ XDG_CACHE_HOME: folder }), {
      path: path.join(folder, 'phantom-parallel', 'cuda'),
      named: false,
    });
    const home = { HOME: folder, XDG_CACHE_HOME: 'not/absolute' };
    assert.equal(kernelFolder(home)?.path, path.join(folder, '.cache', 'phantom-parallel', 'cuda'));
    assert.equal(kernelFolder({ ...home, PHANTOM_CUDA_CACHE: 'off' }), null);
    const file = path.join(folder, 'file');
    writeFileSync(file, '');
    const unusable = { path: path.join(file, 'folder'), named: false };
    const bytes = Uint8Array.of(1, 2);
    const warnings: string[] = [];
    const warn = (message: string) => warnings.push(message);
    assert.deepEqual(await kept(unusable, ['key'], async () => bytes, warn), bytes);
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0] ?? '',
      /compiled at each start: .*folder.*PHANTOM_CUDA_CACHE names another/,
    );
  });

  test("are taken from the user's folder where nobody else can have written them", async (context) => {
    const base = temporaryFolder(context);
    const folder = { path: path.join(base, 'phantom-parallel', 'cuda'), named: false };
    const warnings: string[] = [];
    const warn = (message: string) => warnings.push(message);
    let compiled = 0;
    const compile = async () => Uint8Array.of(++compiled);
    const take = async () => [...(await kept(folder, ['key'], compile, warn))];
    const before = process.umask(0o002);
    context.after(() => process.umask(before));
    assert.deepEqual([await take(), await take()], [[1], [1]]);
    assert.equal(statSync(folder.path).mode & 0o777, 0o700);
    const file = path.join(folder.path, readdirSync(folder.path)[0] ?? '');
    chmodSync(file, 0o660);
    assert.deepEqual([await take(), await take(), warnings.length], [[2], [2], 0]);
    chmodSync(folder.path, 0o770);
    assert.deepEqual(await take(), [3]);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /cannot be used: others own it or may write there/);
    chmodSync(folder.path, 0o700);
    const { uid } = statSync(file);
    const { getuid } = process;
    process.getuid = () => uid + 1;
    context.after(() => Object.assign(process, { getuid }));
    assert.deepEqual([await take(), warnings.length], [[4], 2]);
    // What was named is as its user has it.
    chmodSync(file, 0o666);
    assert.deepEqual([...(await kept({ ...folder, named: true }, ['key'], compile, warn))], [2]);
  });

  test('are no more than so many, those that were used last', async (context) => {
    const folder = { path: temporaryFolder(context), named: true };
    let compiled = 0;
    const take = async (key: number) => {
      await kept(folder, [String(key)], async () => Uint8Array.of(++compiled));
      const times = readdirSync(folder.path).map((name) => path.join(folder.path, name));
      // As if a second had passed.
      for (const file of times) {
        const before = new Date(statSync(file).mtimeMs - 1000);
        utimesSync(file, before, before);
      }
    };
    for (let key = 0; key < MOST_KEPT; key++) await take(key);
    await take(0);
    assert.equal(compiled, MOST_KEPT);
    await take(MOST_KEPT);
    assert.equal(readdirSync(folder.path).length, MOST_KEPT);
    // 1 has given way, 0 has not.
    await take(0);
    assert.equal(compiled, MOST_KEPT + 1);
    await take(1);
    assert.equal(compiled, MOST_KEPT + 2);
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
