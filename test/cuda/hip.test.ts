// The kernels' source, compiled by HIPRTC for AMD's devices where HIP is installed (libamdhip64-5 of Debian, or
// PHANTOM_HIP). Nothing of it has ever been run: no engine calls it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NativeError } from '#src/base/errors.js';
import { kernelSource } from '#src/engines/cuda/compile.js';
import { KERNELS } from '#src/engines/cuda/kernel-launcher.js';
import { addressReader, type NativeLibrary, openLibrary } from '#src/native/library.js';

const CANDIDATES = ['libamdhip64.so.6', 'libamdhip64.so.5'];

async function openHip(): Promise<NativeLibrary | string> {
  const named = process.env['PHANTOM_HIP'];
  let reason = '';
  for (const name of named === undefined ? CANDIDATES : [named]) {
    try {
      return await openLibrary(name);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      reason = error.message;
    }
  }
  return `no HIP: ${reason}`;
}

const hip = await openHip();
const required = process.env['PHANTOM_REQUIRE_HIP'] === '1';
const skip = typeof hip === 'string' && !required ? hip : false;

/** CUDA C++ that HIP 5 has no word for. */
const MISSING = `#define __grid_constant__
#define __shfl_xor_sync(threads, value, bit) __shfl_xor(value, bit, 32)
`;

test('the kernels compile for gfx90a, with every name', { skip }, async () => {
  if (typeof hip === 'string') throw new Error(hip);
  const call = (name: string, types: string) => {
    const found = hip.find(name, 'int', types.split(' '));
    assert.ok(found, name);
    return (...parameters: unknown[]) => Number(found(...parameters));
  };
  const handle = new BigUint64Array(1);
  const create = call('hiprtcCreateProgram', 'void* str str int void* void*');
  assert.equal(create(handle, MISSING + kernelSource(), 'kernels.hip', 0, null, null), 0);
  const program = Number(handle[0]);
  const read = (size: string, content: string) => {
    const bytes = new BigUint64Array(1);
    assert.equal(call(size, 'size_t void*')(program, bytes), 0);
    const out = Buffer.alloc(Number(bytes[0]));
    assert.equal(call(content, 'size_t void*')(program, out), 0);
    return out.toString('latin1');
  };
  const option = new TextEncoder().encode('--offload-arch=gfx90a\0').buffer;
  const addresses = new BigUint64Array([BigInt((await addressReader())(option))]);
  const code = call('hiprtcCompileProgram', 'size_t int void*')(program, 1, addresses);
  if (code !== 0) assert.fail(read('hiprtcGetProgramLogSize', 'hiprtcGetProgramLog'));
  const binary = read('hiprtcGetCodeSize', 'hiprtcGetCode');
  // The descriptor of each kernel, by its name.
  const compiled = new Set([...binary.matchAll(/(\w+)\.kd\0/g)].map(([, name]) => name));
  assert.deepEqual(compiled, new Set(KERNELS));
});
