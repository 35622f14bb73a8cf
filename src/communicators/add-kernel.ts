import { webAssembly, type WasmMemory, type WasmModule } from '../base/web-assembly.js';

/** out = a + b over `count` elements; addresses in bytes, any two may be the same. */
export type Add = (a: number, b: number, out: number, count: number) => void;

/** The module's `add` kernel (float32) over this memory. */
export function addKernel(module: WasmModule, memory: WasmMemory): Add {
  return new webAssembly.Instance(module, { env: { memory, abort } }).exports['add'] as Add;
}

function abort(): never {
  throw new Error('a WebAssembly kernel aborted');
}
