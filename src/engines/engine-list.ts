import type { Compute } from './compute.js';
import type { Engine } from './engine.js';
import type { WasmEngineOptions } from './wasm/wasm-engine.js';

/** What any engine is made with; each takes what is about it. */
interface MakeOptions extends WasmEngineOptions {
  readonly localRank?: number;
  readonly devices?: readonly (number | string)[] | null;
  readonly compute?: Compute;
  readonly processes?: boolean;
  readonly onWarning?: (message: string) => void;
}

/** Makes an engine. @throws NativeError where what it needs is not there */
type CreateEngine = (options: MakeOptions) => Promise<Engine>;

/** Every engine. Each is loaded when it is made. */
export const ENGINES = {
  blas: async (options) => (await import('./blas/blas-engine.js')).createBlasEngine(options),
  wasm: async (options) => (await import('./wasm/wasm-engine.js')).createWasmEngine(options),
  cuda: async ({ compute = 'float32', ...options }) =>
    (await import('./cuda/cuda-engine.js')).createCudaEngine({
      ...options,
      tf32: compute === 'tf32',
    }),
} as const satisfies Readonly<Record<string, CreateEngine>>;

/** The name of an engine. */
export type EngineName = keyof typeof ENGINES;
/** What `auto` takes the first of that can be had. `cuda` has to be asked for: it has never run on a GPU. */
export const AUTOMATIC_ENGINES = ['blas', 'wasm'] as const satisfies readonly EngineName[];
/** An engine by name; `auto`: native BLAS where there is one, else WebAssembly. */
export type EngineChoice = 'auto' | EngineName;

export const ENGINE_CHOICES: readonly EngineChoice[] = [
  'auto',
  ...(Object.keys(ENGINES) as EngineName[]),
];
