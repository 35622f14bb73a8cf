import { createRequire } from 'node:module';
import type koffi from 'koffi';

import { NativeError } from '../base/errors.js';

/** A foreign function: numbers, strings and views go in, a number, string or nothing comes out. */
export type NativeFunction = (...parameters: unknown[]) => unknown;

/** koffi's name for a type, or so many bytes that are passed by value: an object with a Uint8Array of that name. */
export type NativeType = string | { readonly bytes: number };

/** A shared library that has been opened and stays open until the process ends. */
export interface NativeLibrary {
  readonly path: string;
  /** The function of that name, with koffi's names for its types; undefined if there is none. */
  find(name: string, result: string, parameters: readonly NativeType[]): NativeFunction | undefined;
  /** The address of a variable; undefined if there is none of that name. */
  variable(name: string): number | undefined;
  /** The 32-bit integers at a pointer that a function returned; none at null. */
  integers(pointer: unknown, count: number): number[];
}

type Koffi = typeof koffi;

// dlopen's flags: everything is resolved now, and closing does not unload.
const RTLD_NOW = 2;
const RTLD_NODELETE = process.platform === 'darwin' ? 0x80 : 0x1000;

/**
 * Opens a shared library by path or by the name that the system's loader knows.
 *
 * It is opened a second time and never closed: koffi unloads a library when the last thread that
 * loaded it ends, and one with threads of its own (BLAS, OpenMP, MPI) would then run in memory
 * that is gone.
 *
 * @throws NativeError when koffi or the library is missing, with the loader's reason
 */
export async function openLibrary(path: string): Promise<NativeLibrary> {
  const ffi = await loadKoffi();
  let handle: ReturnType<Koffi['load']>;
  try {
    handle = ffi.load(path);
  } catch (error) {
    throw new NativeError('native library', reason(error), { cause: error });
  }
  pin(ffi, path);
  return {
    path,
    find(name, result, parameters) {
      try {
        return handle.func(
          name,
          result,
          parameters.map((type) =>
            typeof type === 'string'
              ? type
              : ffi.struct({ bytes: ffi.array('uint8_t', type.bytes, 'Typed') }),
          ),
        );
      } catch {
        return undefined;
      }
    },
    variable(name) {
      try {
        return Number(handle.symbol(name) as bigint);
      } catch {
        return undefined;
      }
    },
    integers(pointer, count) {
      if (pointer === null || pointer === undefined) return [];
      return [...(ffi.decode(pointer, 'int32_t', count) as Iterable<number>)];
    },
  };
}

/** The address of a buffer's first byte. It is valid while the buffer is referenced.
 * @throws NativeError when koffi is missing */
export async function addressOf(buffer: ArrayBuffer | SharedArrayBuffer): Promise<number> {
  return (await addressReader())(buffer);
}

/** Reads addresses of buffers, as `addressOf`, without waiting.
 * @throws NativeError when koffi is missing */
export async function addressReader(): Promise<
  (buffer: ArrayBuffer | SharedArrayBuffer) => number
> {
  const ffi = await loadKoffi();
  return (buffer) => Number(ffi.address(new Uint8Array(buffer)));
}

/** Copies bytes from a view to an address, or from an address to a view. */
export interface MemoryCopies {
  readonly toAddress: (to: number, from: ArrayBufferView, bytes: number) => void;
  readonly fromAddress: (to: ArrayBufferView, from: number, bytes: number) => void;
}

/** Copies of memory that another library owns. @throws NativeError when koffi is missing */
export async function memoryCopies(): Promise<MemoryCopies> {
  const c = (await loadKoffi()).load(process.platform === 'win32' ? 'msvcrt.dll' : null);
  return {
    toAddress: c.func('memcpy', 'void', ['size_t', 'void*', 'size_t']) as MemoryCopies['toAddress'],
    fromAddress: c.func('memcpy', 'void', [
      'void*',
      'size_t',
      'size_t',
    ]) as MemoryCopies['fromAddress'],
  };
}

/** Lets another thread or process have the core, where the system can. */
export async function coreYielder(): Promise<() => void> {
  const ffi = await loadKoffi();
  if (process.platform === 'win32') return () => {};
  return ffi.load(null).func('sched_yield', 'int', []) as () => void;
}

/** Linux: what pthread_sigmask does with a set. */
const [SIG_BLOCK, SIG_SETMASK] = [0, 2];
/** SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV and SIGSYS, which a thread's own instructions raise. */
const OWN_SIGNALS = [4, 5, 6, 7, 8, 11, 31];

/** Puts off signals to the calling thread that others send, until `release`, which leaves its mask as it was. */
export interface SignalHold {
  readonly hold: () => void;
  readonly release: () => void;
}

/** @returns what puts off a thread's signals; null on systems other than Linux
 * @throws NativeError when koffi is missing */
export async function signalHold(): Promise<SignalHold | null> {
  const ffi = await loadKoffi();
  if (process.platform !== 'linux') return null;
  const types = ['int', 'void*', 'void*'];
  const setMask = ffi.load(null).func('pthread_sigmask', 'int', types);
  // A set of 1,024 signals, of which the system has 64; the C library leaves out its own.
  const [set, before] = [new BigUint64Array(16), new BigUint64Array(16)];
  set[0] = OWN_SIGNALS.reduce((all, one) => all & ~(1n << BigInt(one - 1)), 2n ** 64n - 1n);
  return {
    hold: () => setMask(SIG_BLOCK, set, before),
    release: () => setMask(SIG_SETMASK, before, null),
  };
}

/** Linux: use pages of 2 MiB where a range of memory has room for them. */
const MADV_HUGEPAGE = 14;

/**
 * Asks the system to back memory with large pages, so that going through it takes fewer look-ups of
 * addresses. It may refuse, and then pages are as before.
 *
 * @returns takes an address and bytes, multiples of a page, before they are written
 * @throws NativeError when koffi is missing
 */
export async function largePageAdviser(): Promise<(address: number, bytes: number) => void> {
  const ffi = await loadKoffi();
  if (process.platform !== 'linux') return () => {};
  const madvise = ffi.load(null).func('madvise', 'int', ['size_t', 'size_t', 'int']);
  return (address, bytes) => madvise(address, bytes, MADV_HUGEPAGE);
}

/**
 * The part of koffi for this platform, a package of its own. The package koffi adds deprecated names
 * and a script that runs when it is installed, and brings nothing else.
 */
export const KOFFI_PACKAGE = `@koromix/koffi-${process.platform}-${process.arch}`;

/** Whether native libraries can be called. */
export function koffiInstalled(): boolean {
  try {
    createRequire(import.meta.url).resolve(KOFFI_PACKAGE);
    return true;
  } catch {
    return false;
  }
}

/** @throws NativeError when it is not installed or does not load */
async function loadKoffi(): Promise<Koffi> {
  try {
    return createRequire(import.meta.url)(KOFFI_PACKAGE) as Koffi;
  } catch (error) {
    throw new NativeError(
      'native library',
      `the optional package ${KOFFI_PACKAGE}, which calls native libraries, does not load ` +
        `(${reason(error)}); npm install ${KOFFI_PACKAGE}`,
      { cause: error },
    );
  }
}

function pin(ffi: Koffi, path: string): void {
  if (process.platform === 'win32') {
    // LoadLibrary counts its callers; this one never gives the library back.
    ffi.load('kernel32.dll').func('LoadLibraryW', 'void *', ['str16'])(path);
  } else {
    ffi.load(null).func('dlopen', 'void *', ['str', 'int'])(path, RTLD_NOW | RTLD_NODELETE);
  }
}

function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
