import { createBlasEngine } from '../../engines/blas/blas-engine.js';
import type { Engine } from '../../engines/engine.js';
import { createWasmEngine } from '../../engines/wasm/wasm-engine.js';
import type { WasmModule } from '../../base/web-assembly.js';
import { NativeError } from '../../base/errors.js';
import type { EngineChoice } from '../../settings/settings.js';

export interface EngineOptions {
  readonly relaxedSimd?: boolean;
  /** The kernels, compiled already. */
  readonly module?: WasmModule;
}

/**
 * Makes the engine a user chose; `auto` takes native BLAS where there is one, and the WebAssembly
 * kernels elsewhere.
 *
 * @throws NativeError when `blas` was asked for and no library can be used, with the reasons
 */
export async function createEngine(
  choice: EngineChoice,
  options: EngineOptions = {},
): Promise<Engine> {
  const { relaxedSimd: relaxed = false, module } = options;
  const kernels = module === undefined ? { relaxed } : { relaxed, module };
  if (choice === 'wasm') return createWasmEngine(kernels);
  try {
    return await createBlasEngine(kernels);
  } catch (error) {
    if (choice === 'auto' && error instanceof NativeError) return createWasmEngine(kernels);
    throw error;
  }
}

/** Whether `createEngine('blas')` would find a library it can use. */
export async function blasAvailable(): Promise<boolean> {
  try {
    await createBlasEngine();
    return true;
  } catch (error) {
    if (error instanceof NativeError) return false;
    throw error;
  }
}
