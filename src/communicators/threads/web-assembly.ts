/** The part of the WebAssembly interface that staging needs; the compiler's library has it for
 * browsers only. */

/** A compiled module, as structured clone passes it to workers. */
export type KernelModule = object;

export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
}

interface WebAssemblyInterface {
  readonly Memory: new (limits: {
    initial: number;
    maximum: number;
    shared: boolean;
  }) => SharedMemory;
  readonly Instance: new (
    module: KernelModule,
    imports: Record<string, Record<string, unknown>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
}

const webAssembly = (globalThis as unknown as { WebAssembly: WebAssemblyInterface }).WebAssembly;

const PAGE_BYTES = 65_536;
/** The limit that modules which import a shared memory are compiled with; address space only. */
const MAXIMUM_PAGES = 65_536;

export function sharedMemory(bytes: number): SharedMemory {
  const initial = Math.ceil(bytes / PAGE_BYTES);
  return new webAssembly.Memory({ initial, maximum: MAXIMUM_PAGES, shared: true });
}

/** out = a + b over `count` elements; addresses in bytes, any two may be the same. */
export type Add = (a: number, b: number, out: number, count: number) => void;

/** The module's `add` kernel (float32) over this memory. */
export function addKernel(module: KernelModule, memory: SharedMemory): Add {
  return new webAssembly.Instance(module, { env: { memory, abort } }).exports['add'] as Add;
}

function abort(): never {
  throw new Error('a WebAssembly kernel aborted');
}
