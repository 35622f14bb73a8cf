import { NativeError } from '../base/errors.js';
import {
  type NativeFunction,
  type NativeLibrary,
  type NativeType,
  openLibrary,
} from './library.js';

/** A result code, 0 for success. Out parameters are views; devices are their handles. */
type Call = (...parameters: unknown[]) => number;

/** The part of NVIDIA's management library that tells of energy. */
export interface Nvml {
  readonly path: string;
  readonly init: Call;
  readonly shutdown: Call;
  /** (Uint32Array: count) */
  readonly deviceCount: Call;
  /** (index, BigUint64Array: handle) */
  readonly deviceByIndex: Call;
  /** (handle, Uint8Array: text, its length) */
  readonly deviceName: Call;
  /** (handle, BigUint64Array: millijoules since the driver was loaded); Volta and newer */
  readonly totalEnergy: Call;
  /** (handle, Uint32Array: milliwatts) */
  readonly power: Call;
  readonly errorText: (code: number) => string;
}

const CANDIDATES = ['libnvidia-ml.so.1', 'libnvidia-ml.so', 'nvml.dll'];
const REMEDY = "it comes with NVIDIA's driver";

/**
 * Opens NVML: the library that PHANTOM_NVML names, else the driver's; `none` hides it.
 *
 * @throws NativeError when there is none, or it lacks a function
 */
export async function openNvml(named = process.env['PHANTOM_NVML']): Promise<Nvml> {
  const library = await openFirst('nvml', named === undefined ? CANDIDATES : [named], REMEDY);
  const call = (name: string, types: string) => needed(library, name, types.split(' '));
  const text = library.find('nvmlErrorString', 'str', ['int']);
  return {
    path: library.path,
    init: needed(library, 'nvmlInit_v2', []),
    shutdown: needed(library, 'nvmlShutdown', []),
    deviceCount: call('nvmlDeviceGetCount_v2', 'void*'),
    deviceByIndex: call('nvmlDeviceGetHandleByIndex_v2', 'uint void*'),
    deviceName: call('nvmlDeviceGetName', 'size_t void* uint'),
    totalEnergy: call('nvmlDeviceGetTotalEnergyConsumption', 'size_t void*'),
    power: call('nvmlDeviceGetPowerUsage', 'size_t void*'),
    errorText: (code) => (text?.(code) as string | undefined) ?? `error ${code}`,
  };
}

/** The first library of these that opens. @throws NativeError with the reason of the last one */
export async function openFirst(
  where: string,
  paths: readonly string[],
  remedy: string,
): Promise<NativeLibrary> {
  let reason = '';
  for (const path of paths) {
    if (path === 'none') throw new NativeError(where, 'hidden by the environment');
    try {
      return await openLibrary(path);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      reason = error.message.replace(/^\[.*?\] /, '');
    }
  }
  const names = paths.join(', ');
  const missing = /no such file/i.test(reason);
  throw new NativeError(
    where,
    missing ? `not installed (${names}); ${remedy}` : `${names}: ${reason}; ${remedy}`,
  );
}

/** A function that returns an int. @throws NativeError when the library lacks it */
export function needed(library: NativeLibrary, name: string, types: readonly NativeType[]): Call {
  const found: NativeFunction | undefined = library.find(name, 'int', types);
  if (found === undefined) throw new NativeError(library.path, `has no function ${name}`);
  return found as Call;
}
