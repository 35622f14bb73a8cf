export type * from './engine.js';
export { loadKernelModule } from './wasm/kernel-module.js';
export { instantiateKernels, KERNEL_RESERVED_BYTES } from './wasm/kernels.js';
export type { Kernels } from './wasm/kernels.js';
export { growableMemory } from './wasm/web-assembly.js';
export type { WasmMemory, WasmModule } from './wasm/web-assembly.js';
