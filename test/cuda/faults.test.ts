// What the CUDA engine says when something is missing or fails, on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { NativeError, UnsupportedError } from '#src/base/errors.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import type { Engine } from '#src/engines/engine.js';
import { asMatrix, type Tensor } from '#src/tensor/tensor.js';

import { fakeCuda, reasonToSkipFakeCuda } from '../fakes/cuda/build.js';

/** Every call of the three libraries that an engine makes on its way to its first sum. */
const CALLS = [
  ...['cuInit', 'cuDriverGetVersion', 'cuDeviceGetCount', 'cuDeviceGet', 'cuDeviceGetName'],
  ...['cuDeviceGetAttribute', 'cuDevicePrimaryCtxRetain', 'cuCtxSetCurrent', 'cuMemGetInfo_v2'],
  ...['cuMemAlloc_v2', 'cuMemcpyHtoDAsync_v2', 'cuMemcpyDtoHAsync_v2', 'cuMemcpyDtoDAsync_v2'],
  ...['cuMemsetD32Async', 'cuStreamCreate', 'cuStreamSynchronize', 'cuModuleLoadData'],
  ...['cuMemHostAlloc', 'cuEventCreate', 'cuEventRecord'],
  ...['cuModuleGetFunction', 'cuLaunchKernel', 'cublasLtCreate', 'cublasLtMatmulDescCreate'],
  ...['cublasLtMatmulDescSetAttribute', 'cublasLtMatrixLayoutCreate'],
  ...['cublasLtMatmulPreferenceCreate', 'cublasLtMatmulPreferenceSetAttribute'],
  ...['cublasLtMatmulAlgoGetHeuristic', 'cublasLtMatmul', 'nvrtcCreateProgram'],
  ...['nvrtcCompileProgram', 'nvrtcGetCUBINSize', 'nvrtcGetCUBIN'],
];

const skip = reasonToSkipFakeCuda();

function sumOfSquares(engine: Engine, x: Tensor): number | undefined {
  const slots = engine.slots(1);
  engine.sumOfSquares(x, slots, 0);
  return engine.read(slots)[0];
}

describe('CUDA engine that cannot work', { skip: skip ?? false }, () => {
  if (skip === null) Object.assign(process.env, fakeCuda(), { FAKE_CUDA_DEVICES: '2' });

  /** Runs with other variables, and sets them back. */
  async function having<T>(variables: Record<string, string>, run: () => Promise<T>): Promise<T> {
    const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
    Object.assign(process.env, variables);
    try {
      return await run();
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  }

  const REFUSED = [
    [{ PHANTOM_CUDA: 'none' }, /^\[cuda\] hidden/],
    [{ PHANTOM_CUDA: '/no/libcuda.so.1' }, /not installed.*comes with NVIDIA's driver/],
    [{ PHANTOM_CUBLASLT: '/no/libcublasLt.so' }, /\[cublaslt\] not installed.*PHANTOM_CUBLASLT/],
    [{ PHANTOM_NVRTC: '/no/libnvrtc.so' }, /\[nvrtc\] not installed.*PHANTOM_NVRTC/],
    [{ FAKE_CUDA_DRIVER: '11080' }, /supports CUDA 11\.8; 12\.0 or newer is needed: update it/],
    [{ FAKE_CUDA_CAPABILITY: '61' }, /Fake device 0 has compute capability 6\.1; 7\.0.*--devices/],
    [{ FAKE_CUDA_CAPABILITY: '70' }, /does not compile for compute capability 7\.0; install/],
    [{ NVIDIA_TF32_OVERRIDE: '1' }, /NVIDIA_TF32_OVERRIDE is 1: .*unset it/],
    [{ CUBLAS_EMULATE_SINGLE_PRECISION: '1' }, /SINGLE_PRECISION is 1: .*unset it/],
    [{ FAKE_CUDA_FAIL: 'cuInit:0=100' }, /cuInit ended with 100: no device; nvidia-smi/],
  ] as const;
  for (const [variables, message] of REFUSED) {
    test(`says what to do with ${JSON.stringify(variables)}`, async () => {
      await having(variables, () =>
        assert.rejects(createCudaEngine(), (error) => {
          assert.ok(error instanceof NativeError || error instanceof UnsupportedError);
          assert.match(error.message, message);
          return true;
        }),
      );
    });
  }

  test('knows how many devices there are', async () => {
    await assert.rejects(
      createCudaEngine({ devices: [0, 2] }),
      /devices 2: there is none; the driver sees 0: Fake device 0/,
    );
  });

  test('takes NVIDIA_TF32_OVERRIDE=0, which is as it works', async () => {
    await having({ NVIDIA_TF32_OVERRIDE: '0' }, () => createCudaEngine());
  });

  async function work(): Promise<number | undefined> {
    const engine = await createCudaEngine();
    const [a, b, c] = [0, 0, 0].map(() => engine.allocate([3, 3]));
    assert(a && b && c);
    engine.toDevice(
      Float32Array.from({ length: 9 }, (_, i) => i),
      a,
    );
    engine.copy(a, b);
    engine.gemm(false, true, 1, asMatrix(a), asMatrix(b), 0, asMatrix(c));
    return sumOfSquares(engine, c);
  }

  test('names each call that fails, and works when it does not', async () => {
    const expected = await work();
    assert.ok((expected ?? 0) > 0);
    for (const call of CALLS) {
      await having({ FAKE_CUDA_FAIL: `${call}:0=1` }, () =>
        assert.rejects(work(), (error) => {
          assert.ok(error instanceof NativeError || error instanceof UnsupportedError, call);
          assert.match(error.message, /ended with 1\b|error 1\b|status 1\b|does not compile/, call);
          return true;
        }),
      );
    }
    assert.equal(await work(), expected);
  });

  test('stays usable when the device has no more memory', async () => {
    const engine = await createCudaEngine();
    await having({ FAKE_CUDA_FAIL: 'cuMemAlloc_v2:0=2' }, async () => {
      assert.throws(
        () => engine.allocate([1 << 23]),
        (error) =>
          error instanceof UnsupportedError &&
          /\[8388608\] takes 32\.0 MiB.*device 0 \(Fake device 0\); use more/.test(error.message),
      );
    });
    const tensor = engine.allocate([1 << 23]);
    engine.fill(tensor, 1);
    assert.equal(sumOfSquares(engine, tensor), 1 << 23);
  });

  // The last ones: a lost device stays lost.
  test('works on a second device, and says that one is lost to the process', async () => {
    // A thread has one device, the last that it opened.
    const elsewhere = (await createCudaEngine()).allocate([5]);
    const second = await createCudaEngine({ devices: [1] });
    const tensor = second.allocate([5]);
    second.fill(tensor, 2);
    assert.equal(sumOfSquares(second, tensor), 20);
    // Memory of another device is no memory of this one.
    second.add(elsewhere, tensor, tensor);
    for (let i = 0; i < 2; i++) {
      assert.throws(
        () => second.toHost(tensor),
        /ended with 700: .*lost to this process: start again.*--resume/,
      );
    }
    second.fill(tensor, 1);
    assert.throws(() => second.synchronize(), /cuMemsetD32Async ended with 700/);
  });
});
