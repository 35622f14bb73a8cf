import type { Engine } from '../../engines/engine.js';
import { type HostEngine, inHostMemory } from '../../engines/host-engine.js';
import { isMpiWorker } from '../../communicators/mpi/mpi-worker.js';
import { AUTOMATIC_ENGINES, ENGINES, type EngineChoice } from '../../engines/engine-list.js';
import { loadKernelModule } from '../../engines/wasm/kernel-module.js';
import type { WasmModule } from '../../base/web-assembly.js';
import { NativeError, UnsupportedError } from '../../base/errors.js';
import type { Compute } from '../../engines/compute.js';
import type { DeviceLinks } from '../../engines/cuda/device-links.js';

/** How an engine is made. */
export interface EngineOptions {
  readonly relaxedSimd?: boolean;
  /** The kernels, compiled already. */
  readonly module?: WasmModule;
  /** Of the ranks on this machine, which take its devices in turn. Default 0. */
  readonly localRank?: number;
  /** Those to take, of engine cuda. Default null: all. */
  readonly devices?: readonly (number | string)[] | null;
  /** What is multiplied. Default: float32 and bfloat16, as tensors are. */
  readonly compute?: Compute;
  /** Whether ranks are processes. Default: in a rank, as it is. */
  readonly processes?: boolean;
  /** Takes what goes wrong without ending anything. Default: a warning of the process. */
  readonly onWarning?: (message: string) => void;
}

/**
 * Makes the engine a user chose; `auto` takes native BLAS where there is one, and the WebAssembly
 * kernels elsewhere.
 *
 * @throws NativeError when `blas` or `cuda` was asked for and no library can be used, with the reasons
 * @throws UnsupportedError when `compute` is tf32 and the engine is of the processor
 */
export async function createEngine(
  choice: EngineChoice,
  options: EngineOptions = {},
): Promise<Engine> {
  const { relaxedSimd: relaxed = false, module, localRank = 0, devices = null } = options;
  const { compute = 'float32', processes = isMpiWorker(), onWarning } = options;
  if (compute === 'tf32' && choice !== 'cuda') {
    throw new UnsupportedError(
      'compute',
      `tf32 is of CUDA devices alone, and the engine is ${choice}; choose engine cuda, or compute float32`,
    );
  }
  const given = { ...(module && { module }), ...(onWarning && { onWarning }) };
  const kernels = { relaxed, localRank, devices, compute, processes, ...given };
  if (choice !== 'auto') return ENGINES[choice](kernels);
  let reason: unknown;
  for (const name of AUTOMATIC_ENGINES) {
    try {
      return await ENGINES[name](kernels);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      reason = error;
    }
  }
  throw reason;
}

/**
 * An engine for work that also goes over the elements of tensors in JavaScript. Where the one asked for has a
 * memory of its own it is what `auto` takes here, which `onWarning` is told.
 *
 * @param where what needs it
 * @throws NativeError as `createEngine`
 */
export async function createHostEngine(
  choice: EngineChoice,
  where: string,
  onWarning: (message: string) => void = () => {},
): Promise<HostEngine> {
  const asked = await createEngine(choice);
  if (!asked.asynchronous) return inHostMemory(asked, where);
  asked.close();
  const engine = inHostMemory(await createEngine('auto'), where);
  const instead = `engine ${engine.name} in place of ${asked.name}`;
  onWarning(
    `${where} works in the host's memory: it takes ${instead}, with the same result to rounding`,
  );
  return engine;
}

/** What `use` makes of an engine, which is closed then. */
export async function withEngine<T>(
  choice: EngineChoice,
  options: EngineOptions,
  use: (engine: Engine) => T | Promise<T>,
): Promise<T> {
  const engine = await createEngine(choice, options);
  try {
    return await use(engine);
  } finally {
    engine.close();
  }
}

/** What tells the devices of an engine that ranks of this process take in turn from all others; empty: it has none. */
export async function deviceIds(
  choice: EngineChoice,
  devices: readonly (number | string)[] | null,
): Promise<readonly string[]> {
  if (choice !== 'cuda') return [];
  return (await import('../../engines/cuda/device-ids.js')).cudaDeviceIds(devices);
}

/** The devices of engine cuda, and what copies go between them; null: there are none. */
export async function deviceLinks(): Promise<DeviceLinks | null> {
  return (await import('../../engines/cuda/device-links.js')).readDeviceLinks();
}

/** The kernels, compiled once for all engines of a process. */
export function compiledKernels(relaxedSimd: boolean): WasmModule {
  return loadKernelModule(relaxedSimd);
}

/** Whether `createEngine('blas')` would find a library it can use. */
export async function blasAvailable(): Promise<boolean> {
  try {
    await createEngine('blas');
    return true;
  } catch (error) {
    if (error instanceof NativeError) return false;
    throw error;
  }
}
