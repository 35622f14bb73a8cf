import { NativeError, UnsupportedError } from '../../base/errors.js';
import { openCublasLt } from '../../native/cublas-lt.js';
import { openCudaDriver } from '../../native/cuda.js';
import { memoryCopies } from '../../native/library.js';
import { findNccl } from '../../native/nccl.js';
import { openNvrtc } from '../../native/nvrtc.js';
import { DeviceArena } from './arena.js';
import { Calls } from './calls.js';
import { compileKernels } from './compile.js';
import { CudaEngine, HALF_CAPABILITY } from './cuda-kernels.js';
import { Device, type DevicePlace } from './device.js';
import { Launcher } from './kernel-launcher.js';
import { DevicePeers } from './peers.js';
import { Products, WORKSPACE_BYTES } from './products.js';
import { Staging } from './staging.js';
import { Sums } from './sums.js';
import { isOn } from './switches.js';

/** How the engine of a CUDA device is made. */
export interface CudaEngineOptions extends DevicePlace {
  /** Whether products of float32 tensors are rounded to TF32. Default: not. */
  readonly tf32?: boolean;
  /** Whether calls that come again are launched as a CUDA graph. Default: unless PHANTOM_CUDA_GRAPHS is off. */
  readonly graphs?: boolean;
  /** Whether other ranks of the process may copy from its memory. Default: unless PHANTOM_CUDA_PEERS is off. */
  readonly peers?: boolean;
  /** Whether other ranks are other processes, which NCCL reaches where it is found. Default: not. */
  readonly processes?: boolean;
  /** Takes what goes wrong without ending anything. Default: a warning of the process. */
  readonly onWarning?: (message: string) => void;
}

/**
 * An engine on a device of NVIDIA's: products by cuBLASLt, all else by kernels that NVRTC compiles now. It
 * has passed its tests on a stand-in for the driver only, and has never run on a GPU.
 *
 * @throws NativeError when there is no device, or a library is missing or too old, with the remedy
 * @throws UnsupportedError when the device is too old, or products would be rounded unasked
 */
export async function createCudaEngine(options: CudaEngineOptions = {}): Promise<CudaEngine> {
  const {
    tf32 = false,
    processes = false,
    onWarning = (message) => process.emitWarning(message),
  } = options;
  const graphs = options.graphs ?? isOn('PHANTOM_CUDA_GRAPHS');
  const peers = options.peers ?? isOn('PHANTOM_CUDA_PEERS');
  refuseOverride(tf32);
  const driver = await openCudaDriver();
  const device = new Device(driver, { devices: null, localRank: 0, ...options });
  try {
    refuseWithout(device, tf32);
    const calls = new Calls(device, graphs, onWarning);
    return await engineOn(device, { tf32, calls, peers, processes, onWarning });
  } catch (error) {
    device.close();
    throw error;
  }
}

interface EngineParts {
  readonly tf32: boolean;
  readonly calls: Calls;
  readonly peers: boolean;
  readonly processes: boolean;
  readonly onWarning: (message: string) => void;
}

async function engineOn(device: Device, parts: EngineParts): Promise<CudaEngine> {
  const { tf32, calls, onWarning } = parts;
  const cublasLt = await openCublasLt(device.driverMajor);
  const nvrtc = await openNvrtc(device.driverMajor);
  const launcher = await Launcher.open(
    device,
    calls,
    await compileKernels(nvrtc, device.capability, parts.onWarning),
  );
  const own = device.allocate(WORKSPACE_BYTES + Sums.bytes);
  if (own === null) {
    const what = `${device.name} has no memory left for the workspace of products; end what uses it`;
    throw new NativeError('cuda', what);
  }
  const sums = new Sums(device, calls, launcher, own + WORKSPACE_BYTES);
  const staging = new Staging(device, calls, await memoryCopies());
  const products = await Products.open(cublasLt, { device, calls }, { workspace: own, tf32 });
  const arena = new DeviceArena(device);
  const nccl = parts.peers && parts.processes ? await findNccl() : null;
  const peers = parts.peers ? new DevicePeers({ device, calls, launcher, arena, nccl }) : null;
  const made = { device, arena, onWarning, calls, launcher, products, sums, staging, peers };
  return new CudaEngine(made, cublasLt.version);
}

/** Variables that make float32 products of any program less exact, or other, or keep them exact. */
function refuseOverride(tf32: boolean): void {
  const { CUBLAS_EMULATE_SINGLE_PRECISION: emulate } = process.env;
  if (emulate !== undefined && emulate !== '0') {
    throw new UnsupportedError(
      'cuda',
      `CUBLAS_EMULATE_SINGLE_PRECISION is ${emulate}: products of float32 would be made of bfloat16's; unset it`,
    );
  }
  const override = process.env['NVIDIA_TF32_OVERRIDE'];
  if (override === undefined || (override === '0') !== tf32) return;
  const would = tf32 ? 'not be rounded to TF32, which was asked for' : 'be rounded to TF32';
  throw new UnsupportedError(
    'cuda',
    `NVIDIA_TF32_OVERRIDE is ${override}: products of float32 would ${would}; unset it`,
  );
}

function refuseWithout({ name, capability }: Device, tf32: boolean): void {
  if (!tf32 || capability >= HALF_CAPABILITY) return;
  throw new UnsupportedError(
    'cuda',
    `${name} has compute capability ${(capability / 10).toFixed(1)}; TF32 needs 8.0: choose compute float32`,
  );
}
