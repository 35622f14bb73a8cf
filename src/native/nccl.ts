import { NativeError, PhantomError } from '../base/errors.js';
import type { CudaCall } from './cuda.js';
import { needed, openFirst } from './nvml.js';

/** The part of NCCL that moves bytes between devices. Result codes and views as of the driver; a communicator
 * is a handle, a stream is one of the driver's. Counts are of bytes where `NCCL_BYTES` is the type. */
export interface Nccl {
  readonly path: string;
  /** 10,000 · major + 100 · minor + patch */
  readonly version: number;
  /** (Uint8Array: `NCCL_ID_BYTES`), on one rank, which tells the others */
  readonly createId: CudaCall;
  /** (BigUint64Array: communicator, ranks, { bytes: the id }, rank), of the thread's device; returns when all
   * ranks have called it */
  readonly join: CudaCall;
  /** (from, to, count of each rank, type, communicator, stream); `from` may be the own part of `to` */
  readonly allGather: CudaCall;
  /** (from, count, type, rank, communicator, stream): goes on once that rank receives it */
  readonly send: CudaCall;
  /** (to, count, type, rank, communicator, stream) */
  readonly receive: CudaCall;
  /** (): what is called until `endGroup` goes on together */
  readonly beginGroup: CudaCall;
  readonly endGroup: CudaCall;
  /** (communicator, Int32Array: the code of what went wrong since) */
  readonly asyncError: CudaCall;
  /** (communicator), with nothing under way; may return only when all ranks have called it */
  readonly destroy: CudaCall;
  readonly errorText: (code: number) => string;
  /** What the library says of its last error, of any communicator; empty: nothing. */
  readonly lastError: () => string;
}

export const NCCL_ID_BYTES = 128;
/** ncclUint8. */
export const NCCL_BYTES = 1;
/** Of 2022: groups of messages had faults before. */
const OLDEST = 21_200;

const CANDIDATES = ['libnccl.so.2', '/usr/local/cuda/lib64/libnccl.so.2'];
const REMEDY =
  'install NCCL (libnccl2, or pip install nvidia-nccl-cu13 or nvidia-nccl-cu12), or set PHANTOM_NCCL to libnccl.so.2';

/**
 * Opens NCCL: the library that PHANTOM_NCCL names, else the system's; `none` hides it.
 *
 * @throws NativeError when there is none, it lacks a function, or is too old, with the remedy
 */
export async function openNccl(named = process.env['PHANTOM_NCCL']): Promise<Nccl> {
  const library = await openFirst('nccl', named === undefined ? CANDIDATES : [named], REMEDY);
  const call = (name: string, types: string) => needed(library, name, types.split(' '));
  const version = new Int32Array(1);
  call('ncclGetVersion', 'void*')(version);
  const [code = 0] = version;
  if (code < OLDEST) {
    const found = ncclVersion(code);
    throw new NativeError('nccl', `${library.path} is NCCL ${found}, older than 2.12; ${REMEDY}`);
  }
  const errorText = library.find('ncclGetErrorString', 'str', ['int']);
  // Since 2.13.
  const lastError = library.find('ncclGetLastError', 'str', ['size_t']);
  return {
    path: library.path,
    version: code,
    createId: call('ncclGetUniqueId', 'void*'),
    join: needed(library, 'ncclCommInitRank', ['void*', 'int', { bytes: NCCL_ID_BYTES }, 'int']),
    allGather: call('ncclAllGather', 'size_t size_t size_t int size_t size_t'),
    send: call('ncclSend', 'size_t size_t int int size_t size_t'),
    receive: call('ncclRecv', 'size_t size_t int int size_t size_t'),
    beginGroup: needed(library, 'ncclGroupStart', []),
    endGroup: needed(library, 'ncclGroupEnd', []),
    asyncError: call('ncclCommGetAsyncError', 'size_t void*'),
    destroy: call('ncclCommDestroy', 'size_t'),
    errorText: (failed) => (errorText?.(failed) as string | undefined) ?? `error ${failed}`,
    lastError: () => ((lastError?.(0) as string | null | undefined) ?? '').trim(),
  };
}

/** `2.21.5`, of a number as NCCL tells its version. */
export function ncclVersion(code: number): string {
  if (code < 10_000) return `${Math.floor(code / 1000)}.${Math.floor((code % 1000) / 100)}`;
  return `${Math.floor(code / 10_000)}.${Math.floor((code % 10_000) / 100)}.${code % 100}`;
}

/** The error of a call of NCCL's, `nccl…`, that ended with `code`. */
export function ncclError(nccl: Nccl, call: string, code: number): NativeError {
  const said = nccl.lastError();
  return new NativeError(
    'nccl',
    `${call} ended with ${code}: ${nccl.errorText(code)}${said === '' ? '' : ` (${said})`}; NCCL_DEBUG=INFO tells ` +
      'more, PHANTOM_CUDA_PEERS=off goes by way of the host instead',
  );
}

/** NCCL where it can be used, or else why not, as a clause: `NCCL: not installed (libnccl.so.2)`. */
export async function findNccl(): Promise<Nccl | string> {
  try {
    return await openNccl();
  } catch (error) {
    if (!(error instanceof PhantomError)) throw error;
    return `NCCL: ${error.message.replace('[nccl] ', '').split(/; |\n/, 1).join()}`;
  }
}
