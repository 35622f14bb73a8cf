import { readFileSync } from 'node:fs';

import { NativeError } from '../../base/errors.js';
import { addressReader } from '../../native/library.js';
import type { Nvrtc } from '../../native/nvrtc.js';
import { kept, kernelFolder } from './kernel-cache.js';

/** The kernels' sources in the order in which they are joined; in `kernels/cuda/`, and beside this module
 * where it is built. */
export const SOURCES = [
  'arguments.cuh',
  'common.cuh',
  'activations.cu',
  'columns.cu',
  'dropout.cu',
  'elementwise.cu',
  'losses.cu',
  'optimizers.cu',
  'precision.cu',
] as const;

/** The kernels as one source, in CUDA C++. */
export function kernelSource(): string {
  const text = (name: string) => readFileSync(new URL(`kernels/${name}`, import.meta.url), 'utf8');
  return SOURCES.map((name) => `#line 1 "${name}"\n${text(name)}`).join('\n');
}

/**
 * Compiles the kernels for devices of this compute capability (10 · major + minor), or takes those that were
 * compiled from this source by this NVRTC before (`kernelFolder`).
 *
 * @throws NativeError where NVRTC refuses, with what it says, or the folder that was named cannot be read or written
 */
export async function compileKernels(
  nvrtc: Nvrtc,
  capability: number,
  onWarning?: (message: string) => void,
): Promise<Uint8Array> {
  const source = kernelSource();
  const key = [source, nvrtc.path, versionOf(nvrtc), `sm_${capability}`];
  return kept(kernelFolder(), key, () => compiledOf(source, nvrtc, capability), onWarning);
}

async function compiledOf(source: string, nvrtc: Nvrtc, capability: number): Promise<Uint8Array> {
  const program = new BigUint64Array(1);
  check(nvrtc, 'create', nvrtc.create(program, source, 'kernels.cu', 0, null, null));
  try {
    return await compiled(nvrtc, capability, Number(program[0]));
  } finally {
    nvrtc.destroy(program);
  }
}

async function compiled(nvrtc: Nvrtc, capability: number, handle: number): Promise<Uint8Array> {
  const architecture = `--gpu-architecture=sm_${capability}`;
  // Without it NVRTC takes the functions that kernels hand to `eachFour` for those of the host.
  const device = '--device-as-default-execution-space';
  const options = [architecture, device].map(
    (text) => new TextEncoder().encode(`${text}\0`).buffer,
  );
  const address = await addressReader();
  const addresses = new BigUint64Array(options.map((option) => BigInt(address(option))));
  const code = nvrtc.compile(handle, addresses.length, addresses);
  if (code === INVALID_OPTION) {
    throw new NativeError(
      'nvrtc',
      `${nvrtc.path} (CUDA ${versionOf(nvrtc)}) does not compile for compute capability ` +
        `${(capability / 10).toFixed(1)}; install the NVRTC of another CUDA version, or set PHANTOM_NVRTC to it`,
    );
  }
  if (code !== 0) {
    const log = sized(nvrtc, nvrtc.logSize, nvrtc.log, handle);
    const [first = ''] = new TextDecoder().decode(log).split('\n');
    throw new NativeError('nvrtc', `${nvrtc.path} does not compile the kernels: ${first}`);
  }
  return sized(nvrtc, nvrtc.binarySize, nvrtc.binary, handle);
}

const INVALID_OPTION = 5;

function versionOf(nvrtc: Nvrtc): string {
  const [major, minor] = [new Int32Array(1), new Int32Array(1)];
  check(nvrtc, 'name the version of', nvrtc.version(major, minor));
  return `${major[0]}.${minor[0]}`;
}

function sized(
  nvrtc: Nvrtc,
  size: Nvrtc['binarySize'],
  content: Nvrtc['binary'],
  program: number,
): Uint8Array {
  const bytes = new BigUint64Array(1);
  check(nvrtc, 'read', size(program, bytes));
  const out = new Uint8Array(Number(bytes[0]));
  check(nvrtc, 'read', content(program, out));
  return out;
}

function check(nvrtc: Nvrtc, what: string, code: number): void {
  if (code === 0) return;
  throw new NativeError('nvrtc', `${nvrtc.path} cannot ${what} a program: error ${code}`);
}
