import { readdirSync } from 'node:fs';
import path from 'node:path';

import { NativeError } from '../base/errors.js';
import { needed, openFirst } from './nvml.js';

/** A result code, 0 for success. Out parameters are views; handles and device addresses are numbers. */
export type CudaCall = (...parameters: unknown[]) => number;

/** The part of CUDA's driver interface that an engine calls, each function in its oldest form that takes
 * 64-bit sizes. */
export interface CudaDriver {
  readonly path: string;
  /** (flags) */
  readonly init: CudaCall;
  /** (Int32Array: 1000 · major + 10 · minor) */
  readonly version: CudaCall;
  /** (Int32Array: count) */
  readonly deviceCount: CudaCall;
  /** (Int32Array: device, index) */
  readonly device: CudaCall;
  /** (Uint8Array: text, its length, device) */
  readonly deviceName: CudaCall;
  /** (Uint8Array: 16 bytes, device): of a part of a device (MIG) its own */
  readonly deviceId: CudaCall;
  /** (Int32Array: value, attribute, device) */
  readonly deviceAttribute: CudaCall;
  /** (BigUint64Array: context, device) */
  readonly retainContext: CudaCall;
  /** (device) */
  readonly releaseContext: CudaCall;
  /** (context), of the calling thread */
  readonly setContext: CudaCall;
  /** (context): the calling thread has it until `popContext` (BigUint64Array: context) */
  readonly pushContext: CudaCall;
  readonly popContext: CudaCall;
  /** (BigUint64Array: free bytes, BigUint64Array: all) */
  readonly memory: CudaCall;
  /** (BigUint64Array: address, bytes) */
  readonly allocate: CudaCall;
  /** (address) */
  readonly free: CudaCall;
  /** (to, view, bytes, stream) */
  readonly copyToDevice: CudaCall;
  /** (view, from, bytes, stream) */
  readonly copyToHost: CudaCall;
  /** As these two, with the address of pages of the host's in place of a view. */
  readonly copyFromPages: CudaCall;
  readonly copyToPages: CudaCall;
  /** (BigUint64Array: address, bytes, flags) */
  readonly allocatePages: CudaCall;
  /** (address) */
  readonly freePages: CudaCall;
  /** (to, from, bytes, stream) */
  readonly copy: CudaCall;
  /** (to, its context, from, its context, bytes, stream) */
  readonly copyPeer: CudaCall;
  /** (Int32Array: whether, device, device that is reached) */
  readonly canAccessPeer: CudaCall;
  /** (context that the current one reaches from now on, flags) */
  readonly enablePeerAccess: CudaCall;
  /** (address, word, words, stream) */
  readonly fill: CudaCall;
  /** (BigUint64Array: stream, flags) */
  readonly createStream: CudaCall;
  /** (stream) */
  readonly destroyStream: CudaCall;
  /** (stream) */
  readonly synchronize: CudaCall;
  /** (BigUint64Array: event, flags) */
  readonly createEvent: CudaCall;
  /** (event) */
  readonly destroyEvent: CudaCall;
  /** (event, stream) */
  readonly record: CudaCall;
  /** (event, stream, flags) */
  readonly recordWithFlags: CudaCall;
  /** (event); `CUDA_NOT_READY` where it has not come yet */
  readonly queryEvent: CudaCall;
  /** (event) */
  readonly waitForEvent: CudaCall;
  /** (stream, event, flags): what the stream gets from now on runs after the event, of any device, as it is
   * recorded now */
  readonly holdStream: CudaCall;
  /** (Float32Array: milliseconds, event, event) */
  readonly elapsedTime: CudaCall;
  /** (BigUint64Array: module, bytes) */
  readonly loadModule: CudaCall;
  /** (module) */
  readonly unloadModule: CudaCall;
  /** (BigUint64Array: function, module, name) */
  readonly kernel: CudaCall;
  /** (function, 3 sizes of the grid, 3 of a block, bytes of shared memory, stream, address of the
   * arguments' addresses, 0) */
  readonly launch: CudaCall;
  /** (stream, mode); calls on it are then recorded, until (stream, BigUint64Array: graph) */
  readonly beginCapture: CudaCall;
  readonly endCapture: CudaCall;
  /** (BigUint64Array: executable graph, graph, flags) */
  readonly instantiate: CudaCall;
  /** (executable graph, stream) */
  readonly launchGraph: CudaCall;
  /** (graph) */
  readonly destroyGraph: CudaCall;
  /** (executable graph) */
  readonly destroyExecutable: CudaCall;
}

/** Of `deviceAttribute`. */
export const DEVICE_ATTRIBUTE = { major: 75, minor: 76 } as const;
/** Of `createStream`: work on it does not wait for the default stream. */
export const STREAM_NON_BLOCKING = 1;
/** Of `beginCapture`: other threads may do what a capture forbids. */
export const CAPTURE_THREAD_LOCAL = 1;
/** Of `enablePeerAccess`: it is so already; the two devices cannot; a device has as many as it can have. */
export const PEER_ACCESS = { alreadyEnabled: 704, unsupported: 217, tooMany: 711 } as const;
/** Of any call: there is not enough memory. */
export const CUDA_OUT_OF_MEMORY = 2;
/** Of `queryEvent`. */
export const CUDA_NOT_READY = 600;
/** Of `createEvent`: it need not know the time. */
export const EVENT_DISABLE_TIMING = 2;
/** Of `recordWithFlags`, while a stream is captured: the event comes at every launch of the graph. */
export const EVENT_RECORD_EXTERNAL = 1;

const CANDIDATES = ['libcuda.so.1', 'nvcuda.dll'];
const REMEDY = "it comes with NVIDIA's driver";

/**
 * Opens the driver's library: the one that PHANTOM_CUDA names, else the system's; `none` hides it.
 *
 * @throws NativeError when there is none, or it lacks a function
 */
export async function openCudaDriver(named = process.env['PHANTOM_CUDA']): Promise<CudaDriver> {
  const library = await openFirst('cuda', named === undefined ? CANDIDATES : [named], REMEDY);
  const call = (name: string, types: string) => needed(library, name, types.split(' '));
  return {
    path: library.path,
    init: call('cuInit', 'uint'),
    version: call('cuDriverGetVersion', 'void*'),
    deviceCount: call('cuDeviceGetCount', 'void*'),
    device: call('cuDeviceGet', 'void* int'),
    deviceName: call('cuDeviceGetName', 'void* int int'),
    deviceId: call('cuDeviceGetUuid_v2', 'void* int'),
    deviceAttribute: call('cuDeviceGetAttribute', 'void* int int'),
    retainContext: call('cuDevicePrimaryCtxRetain', 'void* int'),
    releaseContext: call('cuDevicePrimaryCtxRelease_v2', 'int'),
    setContext: call('cuCtxSetCurrent', 'size_t'),
    pushContext: call('cuCtxPushCurrent_v2', 'size_t'),
    popContext: call('cuCtxPopCurrent_v2', 'void*'),
    memory: call('cuMemGetInfo_v2', 'void* void*'),
    allocate: call('cuMemAlloc_v2', 'void* size_t'),
    free: call('cuMemFree_v2', 'size_t'),
    copyToDevice: call('cuMemcpyHtoDAsync_v2', 'size_t void* size_t size_t'),
    copyToHost: call('cuMemcpyDtoHAsync_v2', 'void* size_t size_t size_t'),
    copyFromPages: call('cuMemcpyHtoDAsync_v2', 'size_t size_t size_t size_t'),
    copyToPages: call('cuMemcpyDtoHAsync_v2', 'size_t size_t size_t size_t'),
    allocatePages: call('cuMemHostAlloc', 'void* size_t uint'),
    freePages: call('cuMemFreeHost', 'size_t'),
    copy: call('cuMemcpyDtoDAsync_v2', 'size_t size_t size_t size_t'),
    copyPeer: call('cuMemcpyPeerAsync', 'size_t size_t size_t size_t size_t size_t'),
    canAccessPeer: call('cuDeviceCanAccessPeer', 'void* int int'),
    enablePeerAccess: call('cuCtxEnablePeerAccess', 'size_t uint'),
    fill: call('cuMemsetD32Async', 'size_t uint size_t size_t'),
    createStream: call('cuStreamCreate', 'void* uint'),
    destroyStream: call('cuStreamDestroy_v2', 'size_t'),
    synchronize: call('cuStreamSynchronize', 'size_t'),
    createEvent: call('cuEventCreate', 'void* uint'),
    destroyEvent: call('cuEventDestroy_v2', 'size_t'),
    record: call('cuEventRecord', 'size_t size_t'),
    recordWithFlags: call('cuEventRecordWithFlags', 'size_t size_t uint'),
    queryEvent: call('cuEventQuery', 'size_t'),
    waitForEvent: call('cuEventSynchronize', 'size_t'),
    holdStream: call('cuStreamWaitEvent', 'size_t size_t uint'),
    elapsedTime: call('cuEventElapsedTime', 'void* size_t size_t'),
    loadModule: call('cuModuleLoadData', 'void* void*'),
    unloadModule: call('cuModuleUnload', 'size_t'),
    kernel: call('cuModuleGetFunction', 'void* size_t str'),
    launch: call(
      'cuLaunchKernel',
      'size_t uint uint uint uint uint uint uint size_t size_t size_t',
    ),
    beginCapture: call('cuStreamBeginCapture_v2', 'size_t int'),
    endCapture: call('cuStreamEndCapture', 'size_t void*'),
    instantiate: call('cuGraphInstantiateWithFlags', 'void* size_t uint64_t'),
    launchGraph: call('cuGraphLaunch', 'size_t size_t'),
    destroyGraph: call('cuGraphDestroy', 'size_t'),
    destroyExecutable: call('cuGraphExecDestroy', 'size_t'),
  };
}

/** What the codes mean that a user can do something about, and what. */
const CODES: Readonly<Record<number, string>> = {
  2: 'out of memory: use more ranks, fewer layers or smaller batches, or end what else uses the device',
  3: 'the driver is not initialized',
  34: 'libcuda.so.1 is a stub of the toolkit; the library of the driver has to be found first',
  36: 'the driver is too old; update it',
  46: 'the device is in use by another process alone, or not available; nvidia-smi tells',
  100: 'no device; nvidia-smi lists those that the driver sees, and CUDA_VISIBLE_DEVICES may hide them',
  101: 'no such device',
  209: 'the compiled kernels are not for this device',
  214: 'memory of the device is damaged (uncorrectable ECC error); reset or replace it',
  218: 'the compiled kernels are not valid for this driver; update it',
  222: 'the compiled kernels are newer than the driver; update it',
  226: 'an error of the device that was contained to this process; nvidia-smi and dmesg tell',
  802: 'the system is not ready: the fabric manager of its switches has to run',
  803: "the driver's library and its kernel module have different versions; restart the machine",
  999: 'the driver gives no reason; nvidia-smi and dmesg may',
};
/** After these nothing works in the process any more. */
const LOST = new Set([214, 226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721, 999]);

/** The error of a call of the driver, `cu…`, that ended with `code`. */
export function cudaError(call: string, code: number): NativeError {
  const known = CODES[code] ?? `error ${code}`;
  const lost = LOST.has(code)
    ? '; the device is lost to this process: start again, from the last checkpoint with --resume'
    : '';
  const without = /Graph|Capture/.test(call)
    ? '; PHANTOM_CUDA_GRAPHS=off does without graphs'
    : /Peer/.test(call)
      ? '; PHANTOM_CUDA_PEERS=off copies by way of the host instead'
      : '';
  return new NativeError('cuda', `${call} ended with ${code}: ${known}${lost || without}`);
}

/** Names of a library of CUDA's toolkit, and where its installer puts it, in the order in which they are to be
 * tried. A driver takes libraries of its own major version and of older ones.
 * @param library without its version, `lib….so`
 * @param driverMajor of the CUDA that the driver supports
 * @param root where toolkits are installed: the one in use in `cuda`, others in `cuda-13.0` and so on */
export function inToolkit(
  library: string,
  driverMajor: number,
  root = '/usr/local',
): readonly string[] {
  const majors = driverMajor < 13 ? [12, 13] : [13, 12];
  const versions = toolkitsIn(root);
  return majors.flatMap((major) => {
    const name = `${library}.${major}`;
    const folders = ['cuda', ...versions.filter((one) => `${one}.`.startsWith(`cuda-${major}.`))];
    return [name, ...folders.map((folder) => path.join(root, folder, 'lib64', name))];
  });
}

/** Folders of toolkits by version, the newest first. */
function toolkitsIn(root: string): string[] {
  let names: string[];
  try {
    names = readdirSync(root);
  } catch {
    return [];
  }
  return names
    .filter((name) => /^cuda-\d+(\.\d+)*$/.test(name))
    .toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }));
}
