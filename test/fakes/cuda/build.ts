// Compiles the stand-in for CUDA's libraries, once for each content of its sources.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';

const folder = path.resolve('test/fakes/cuda');
const kernels = path.resolve('kernels/cuda');
const SOURCES = ['driver.cpp', 'threads.cpp', 'cublas-lt.cpp', 'nvrtc.cpp', 'nccl.cpp'];
const HEADERS = ['fake.h', 'threads.h'];

/** Why there is no stand-in here; null: it can be built, or has to (PHANTOM_REQUIRE_NATIVE). */
export function reasonToSkipFakeCuda(): string | null {
  if (process.env['PHANTOM_REQUIRE_NATIVE'] === '1') return null;
  if (process.env['PHANTOM_BLAS'] === 'none' && process.env['PHANTOM_MPI'] === 'none') {
    return 'native parts are hidden';
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return "the stand-in's threads are written for Linux on x86-64";
  }
  if (spawnSync('g++', ['--version']).status !== 0) return 'no g++ to compile the stand-in with';
  return null;
}

const VARIABLES = ['PHANTOM_CUDA', 'PHANTOM_CUBLASLT', 'PHANTOM_NVRTC', 'PHANTOM_NCCL'] as const;
type Variable = (typeof VARIABLES)[number] | 'PHANTOM_CUDA_CACHE';

/** What a process needs in its environment to find it, and to leave nothing in the user's folders. */
export function fakeCuda(): Record<Variable, string> {
  const library = builtLibrary();
  return {
    ...(Object.fromEntries(VARIABLES.map((name) => [name, library])) as Record<Variable, string>),
    PHANTOM_CUDA_CACHE: 'off',
  };
}

function builtLibrary(): string {
  const hash = createHash('sha256');
  for (const name of [...SOURCES, ...HEADERS]) hash.update(readFileSync(path.join(folder, name)));
  hash.update(readFileSync(path.join(kernels, 'arguments.cuh')));
  const name = `fake-cuda-${userInfo().uid}-${hash.digest('hex').slice(0, 16)}`;
  const made = path.join(tmpdir(), name);
  const library = path.join(made, 'libfakecuda.so');
  if (existsSync(library)) return library;
  mkdirSync(made, { recursive: true, mode: 0o700 });
  const own = path.join(made, `${process.pid}.so`);
  const options = ['-std=c++17', '-O2', '-fPIC', '-shared', '-Wall', '-Werror', `-I${kernels}`];
  const sources = SOURCES.map((source) => path.join(folder, source));
  const args = [...options, ...sources, '-o', own, '-ldl', '-pthread'];
  const { status, stderr } = spawnSync('g++', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  // Another process may have built it too; whole files take each other's place.
  renameSync(own, library);
  return library;
}
