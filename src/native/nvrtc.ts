import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';

import { type CudaCall, inToolkit } from './cuda.js';
import { openLibrary } from './library.js';
import { needed, openFirst } from './nvml.js';

/** CUDA's compiler at run time. Codes and views as of the driver; programs are handles. */
export interface Nvrtc {
  readonly path: string;
  /** (Int32Array: major, Int32Array: minor) */
  readonly version: CudaCall;
  /** (BigUint64Array: program, source, name, 0, null, null) */
  readonly create: CudaCall;
  /** (BigUint64Array: program) */
  readonly destroy: CudaCall;
  /** (program, number of options, BigUint64Array of their addresses) */
  readonly compile: CudaCall;
  /** (program, BigUint64Array: bytes) and (program, view) */
  readonly logSize: CudaCall;
  readonly log: CudaCall;
  readonly binarySize: CudaCall;
  readonly binary: CudaCall;
}

const NVRTC_REMEDY =
  "install CUDA's NVRTC (cuda-nvrtc-13-0, or pip install nvidia-cuda-nvrtc), or set PHANTOM_NVRTC to libnvrtc.so";

/** As `openCudaDriver`, of NVRTC and PHANTOM_NVRTC. */
export async function openNvrtc(
  driverMajor: number,
  named = process.env['PHANTOM_NVRTC'],
): Promise<Nvrtc> {
  const names = named === undefined ? inToolkit('libnvrtc.so', driverMajor) : [named];
  const library = await openFirst('nvrtc', names, NVRTC_REMEDY);
  const call = (name: string, types: string) => needed(library, name, types.split(' '));
  const version = call('nvrtcVersion', 'void* void*');
  await openBuiltins(library.path, version);
  return {
    path: library.path,
    version,
    create: call('nvrtcCreateProgram', 'void* str str int void* void*'),
    destroy: call('nvrtcDestroyProgram', 'void*'),
    compile: call('nvrtcCompileProgram', 'size_t int void*'),
    logSize: call('nvrtcGetProgramLogSize', 'size_t void*'),
    log: call('nvrtcGetProgramLog', 'size_t void*'),
    binarySize: call('nvrtcGetCUBINSize', 'size_t void*'),
    binary: call('nvrtcGetCUBIN', 'size_t void*'),
  };
}

/** NVRTC opens the library of its built-in functions by name alone, and does not look for it in the folder that it
 * is in itself: one that is open already has that name. */
async function openBuiltins(file: string, version: CudaCall): Promise<void> {
  if (!file.includes('/')) return;
  const [major, minor] = [new Int32Array(1), new Int32Array(1)];
  if (version(major, minor) !== 0) return;
  const name = `libnvrtc-builtins.so.${major[0]}.${minor[0]}`;
  const places = [file, realpathSync(file)].map((one) => path.join(path.dirname(one), name));
  const found = places.find((one) => existsSync(one));
  if (found !== undefined) await openLibrary(found);
}
