import { webAssembly } from './web-assembly.js';
import type { WasmMemory, WasmModule } from './web-assembly.js';

/**
 * The WebAssembly kernels (`kernels/`), as functions of byte addresses in the memory that they
 * were instantiated over. Counts are in elements. Nothing is checked: a wrong address traps or
 * overwrites.
 */
export interface Kernels {
  /** out = a + b, `count` float32 values; any two may be the same. */
  add(a: number, b: number, out: number, count: number): void;
}

/** Bytes at the start of a memory that belong to the kernels: nothing else may be kept there. */
export const KERNEL_RESERVED_BYTES = 2 * 1024 * 1024;

/** Kernels over `memory`, which must be shared, allow 65536 pages and hold at least
 * `KERNEL_RESERVED_BYTES`. Several threads may share a memory, but only one of them may call
 * `gemm` or `softmaxCrossEntropy` at a time: these work in the reserved bytes. */
export function instantiateKernels(module: WasmModule, memory: WasmMemory): Kernels {
  const instance = new webAssembly.Instance(module, { env: { memory, abort } });
  return instance.exports as unknown as Kernels;
}

function abort(): never {
  throw new Error('a WebAssembly kernel aborted');
}
