import type { Engine } from './engine.js';
import type { WasmEngineOptions } from './wasm/wasm-engine.js';

/** Makes an engine. @throws NativeError where what it needs is not there */
type CreateEngine = (options: WasmEngineOptions) => Promise<Engine>;

/** Every engine; the choice `auto` takes the first that can be had. Each is loaded when it is made. */
export const ENGINES = {
  blas: async (options) => (await import('./blas/blas-engine.js')).createBlasEngine(options),
  wasm: async (options) => (await import('./wasm/wasm-engine.js')).createWasmEngine(options),
} as const satisfies Readonly<Record<string, CreateEngine>>;

/** The name of an engine. */
export type EngineName = keyof typeof ENGINES;
/** An engine by name; `auto`: native BLAS where there is one, else WebAssembly. */
export type EngineChoice = 'auto' | EngineName;

export const ENGINE_NAMES = Object.keys(ENGINES) as EngineName[];
export const ENGINE_CHOICES: readonly EngineChoice[] = ['auto', ...ENGINE_NAMES];
