import { createBlasEngine } from '../engines/blas/blas-engine.js';
import type { Engine } from '../engines/engine.js';
import { createWasmEngine } from '../engines/wasm/wasm-engine.js';
import { NativeError } from '../errors.js';
import type { EngineChoice } from './settings.js';

/**
 * Makes the engine a user chose; `auto` takes native BLAS where there is one, and the WebAssembly
 * kernels elsewhere.
 *
 * @throws NativeError when `blas` was asked for and no library can be used, with the reasons
 */
export async function createEngine(
  choice: EngineChoice,
  options: { readonly relaxedSimd?: boolean } = {},
): Promise<Engine> {
  const wasm = () => createWasmEngine({ relaxed: options.relaxedSimd ?? false });
  if (choice === 'wasm') return wasm();
  try {
    return await createBlasEngine({ relaxed: options.relaxedSimd ?? false });
  } catch (error) {
    if (choice === 'auto' && error instanceof NativeError) return wasm();
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
