import { UnsupportedError } from './errors.js';

/**
 * The part of the WebAssembly JavaScript interface that is used here, typed because the
 * compiler's library has it for browsers only.
 */

/** A compiled module; structured clone passes it to workers without compiling it again. */
export type WasmModule = object;

/** A WebAssembly memory. */
export interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
  /**
   * Adds pages of 64 KiB.
   *
   * @returns how many there were
   * @throws RangeError when the maximum is passed, or the system has no memory left.
   */
  grow(pages: number): number;
}

export interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}

interface WebAssemblyInterface {
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Memory: new (limits: {
    initial: number;
    maximum: number;
    shared: boolean;
  }) => WasmMemory;
  readonly Instance: new (
    module: WasmModule,
    imports: Record<string, Record<string, unknown>>,
  ) => WasmInstance;
  validate(bytes: Uint8Array): boolean;
}

export const webAssembly = (globalThis as unknown as { WebAssembly: WebAssemblyInterface })
  .WebAssembly;

export const PAGE_BYTES = 65_536;
export const MAXIMUM_PAGES = 65_536;

/** A shared memory that grows up to 4 GiB; what it does not use is address space alone.
 * Typed arrays made before a growth stay valid.
 * @throws UnsupportedError when the system does not even give address space */
export function growableMemory(initialPages: number): WasmMemory {
  try {
    return new webAssembly.Memory({ initial: initialPages, maximum: MAXIMUM_PAGES, shared: true });
  } catch (cause) {
    // V8 reserves this much for every memory, whatever its maximum is.
    const what = 'the system has no 10 GiB of address space left for the memory of a rank';
    throw new UnsupportedError('engine memory', `${what}; raise ulimit -v`, { cause });
  }
}
