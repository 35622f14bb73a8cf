import { NativeError, UnsupportedError } from '../../base/errors.js';
import { openCublasLt } from '../../native/cublas-lt.js';
import { openCudaDriver } from '../../native/cuda.js';
import { memoryCopies } from '../../native/library.js';
import { openNvrtc } from '../../native/nvrtc.js';
import type { PendingCopy } from '../../tensor/region-copies.js';
import type { EncodedPrecision } from '../../tensor/precision.js';
import {
  type AnyTensor,
  type Bytes,
  type Dtype,
  elementBytes,
  elementCount,
  type ElementType,
  type HostArrays,
  type Matrix,
  operandDtype,
  type Region,
  type Tensor,
} from '../../tensor/tensor.js';
import { type Activation, ACTIVATIONS } from '../activations.js';
import { dropoutThreshold } from '../dropout-threshold.js';
import { type ElementLoss, ELEMENT_LOSSES } from '../element-losses.js';
import type {
  AdamStep,
  DropoutMask,
  Engine,
  HalfProducts,
  SgdStep,
  Slots,
  UpdateOperands,
} from '../engine.js';
import { sameLength } from '../same-length.js';
import { DeviceArena } from './arena.js';
import { compileKernels } from './compile.js';
import { Device, type DevicePlace } from './device.js';
import { type KernelName, Launcher } from './launcher.js';
import { Products, WORKSPACE_BYTES } from './products.js';
import { Staging } from './staging.js';
import { Sums } from './sums.js';
import { Updates } from './updates.js';

/** The first generation with bfloat16 products. */
const HALF_CAPABILITY = 80;
/** Columns that a block of `column_dots` sums: `COLUMNS` of kernels/cuda/columns.cu. */
const DOT_COLUMNS = 32;

/**
 * An engine on a device of NVIDIA's: products by cuBLASLt, all else by kernels that NVRTC compiles now. It
 * has passed its tests on a stand-in for the driver only, and has never run on a GPU.
 *
 * @throws NativeError when there is no device, or a library is missing or too old, with the remedy
 * @throws UnsupportedError when the device is too old, or products would be rounded unasked
 */
export async function createCudaEngine(place: DevicePlace = {}): Promise<CudaEngine> {
  refuseOverride();
  const driver = await openCudaDriver();
  const device = new Device(driver, { devices: null, localRank: 0, ...place });
  try {
    return await engineOn(device);
  } catch (error) {
    device.close();
    throw error;
  }
}

async function engineOn(device: Device): Promise<CudaEngine> {
  const cublasLt = await openCublasLt(device.driverMajor);
  const nvrtc = await openNvrtc(device.driverMajor);
  const launcher = await Launcher.open(device, await compileKernels(nvrtc, device.capability));
  const arena = new DeviceArena(device);
  const own = device.allocate(WORKSPACE_BYTES + Sums.bytes);
  if (own === null) {
    const what = `${device.name} has no memory left for the workspace of products; end what uses it`;
    throw new NativeError('cuda', what);
  }
  const sums = new Sums(device, launcher, own + WORKSPACE_BYTES);
  const staging = new Staging(device, await memoryCopies());
  const products = await Products.open(cublasLt, device, own);
  const { version } = cublasLt;
  return new CudaEngine({ device, launcher, arena, products, sums, staging, version });
}

/** The variable makes float32 products of any program less exact. */
function refuseOverride(): void {
  const override = process.env['NVIDIA_TF32_OVERRIDE'];
  if (override === undefined || override === '0') return;
  throw new UnsupportedError(
    'cuda',
    `NVIDIA_TF32_OVERRIDE is ${override}: products of float32 would be rounded to TF32; unset it`,
  );
}

interface Parts {
  readonly device: Device;
  readonly launcher: Launcher;
  readonly arena: DeviceArena;
  readonly products: Products;
  readonly sums: Sums;
  readonly staging: Staging;
  /** Of cuBLASLt: 10,000 · major + 100 · minor + patch. */
  readonly version: number;
}

/** The engine of a CUDA device. Calls are put on one stream; `read`, `toHost` and
 * `synchronize` wait for them. Addresses of tensors are those of the device. */
export class CudaEngine implements Engine {
  readonly name = 'cuda';
  readonly description: string;
  readonly halfProducts: HalfProducts;
  readonly asynchronous = true;
  readonly #device: Device;
  readonly #launcher: Launcher;
  readonly #arena: DeviceArena;
  readonly #products: Products;
  readonly #sums: Sums;
  readonly #staging: Staging;
  readonly #updates: Updates;

  constructor({ device, launcher, arena, products, sums, staging, version }: Parts) {
    this.#staging = staging;
    this.#device = device;
    this.#launcher = launcher;
    this.#arena = arena;
    this.#products = products;
    this.#sums = sums;
    this.#updates = new Updates(device, launcher, staging);
    this.halfProducts = device.capability >= HALF_CAPABILITY ? 'native' : 'emulated';
    const [major, minor] = [Math.floor(version / 10_000), Math.floor((version % 10_000) / 100)];
    this.description =
      `${device.name}, ${(device.totalBytes / 2 ** 30).toFixed(1)} GiB, compute capability ` +
      `${(device.capability / 10).toFixed(1)}, driver for CUDA ${device.driverVersion}, cuBLASLt ` +
      `${major}.${minor} (this engine has never run on a GPU)`;
  }

  get devices(): number {
    return this.#device.count;
  }
  get allocatedBytes(): number {
    return this.#arena.allocatedBytes;
  }
  get capacityBytes(): number {
    return this.#arena.capacityBytes;
  }
  allocate(shape: readonly number[]): Tensor;
  allocate(shape: readonly number[], dtype: 'bfloat16'): Tensor<'bfloat16'>;
  allocate(shape: readonly number[], dtype: Dtype): AnyTensor;
  allocate(shape: readonly number[], dtype: Dtype = 'float32'): AnyTensor {
    const count = elementCount(shape);
    const what = `a tensor [${shape.join(', ')}]`;
    if (!Number.isSafeInteger(count) || shape.some((length) => length < 0)) {
      throw new UnsupportedError('engine memory', `${what} cannot be`);
    }
    const byteOffset = this.#arena.allocate(elementBytes(dtype) * count, what);
    const place = { shape: [...shape], length: count, byteOffset };
    return dtype === 'bfloat16' ? { dtype, ...place } : { dtype, ...place };
  }

  slots(count: number): Slots {
    return this.#sums.slots(count);
  }
  read({ values, byteOffset }: Slots): Float64Array {
    this.#device.read(byteOffset, values);
    return values;
  }
  toHost<T extends ElementType>(from: Region<T>, into?: HostArrays[T]): HostArrays[T] {
    const array = into ?? hostArray(from.dtype, from.length);
    sameLength(array, from);
    this.#device.read(from.byteOffset, array);
    return array;
  }
  toDevice<T extends ElementType>(from: HostArrays[T], to: Region<T>): void {
    sameLength(from, to);
    this.#staging.write(from, to.byteOffset);
  }
  startToHost<T extends ElementType>(from: Region<T>, into: HostArrays[T]): PendingCopy {
    sameLength(into, from);
    return this.#staging.startRead(from.byteOffset, into);
  }
  copy<T extends ElementType>(from: Region<T>, to: Region<T>): void {
    const bytes = to.length * (to.dtype === 'bytes' ? 1 : elementBytes(to.dtype));
    if (bytes > 0) this.#device.copy(from.byteOffset, to.byteOffset, bytes);
  }
  synchronize(): void {
    this.#device.synchronize();
  }
  close(): void {
    this.#device.close(() => this.#products.close());
  }

  gemm(
    transposeA: boolean,
    transposeB: boolean,
    alpha: number,
    a: Matrix,
    b: Matrix,
    beta: number,
    c: Matrix,
  ): void {
    operandDtype(a, b);
    const count = c.rows * c.columns;
    if (count === 0) return;
    if ((transposeA ? a.rows : a.columns) > 0) {
      this.#products.multiply(transposeA, transposeB, alpha, a, b, beta, c);
      return;
    }
    const scale = this.#kernel('scale_matrix').at(0, c).sizes(c.rows, c.columns);
    scale.words(c.stride).reals(beta).each(count);
  }

  biasActivation(activation: Activation, z: Tensor, bias: Tensor | null, out: AnyTensor): void {
    const kernel = this.#kernel('bias_activation').at(0, z).at(1, bias).at(2, out);
    kernel.sizes(rowsOf(z), columnsOf(z));
    kernel.kind(ACTIVATIONS[activation].kernel, isHalf(out)).each(z.length);
  }
  biasActivationGradient(
    activation: Activation,
    z: Tensor,
    out: AnyTensor,
    dOut: Tensor,
    dz: AnyTensor,
    betaBias: number,
    dBias: Tensor | null,
  ): void {
    const kernel = this.#kernel('bias_activation_gradient').at(0, z).at(1, out).at(2, dOut);
    kernel.at(3, dz).at(4, dBias).sizes(rowsOf(dz), columnsOf(dz)).reals(betaBias);
    const flags = isHalf(out) + 2 * isHalf(dz);
    kernel.kind(ACTIVATIONS[activation].kernel, flags).blocks(rowsOf(dz));
  }
  dropout(x: Tensor, mask: DropoutMask, out: Tensor): void {
    const [rows, columns] = [rowsOf(x), columnsOf(x)];
    if (rows === 0) return;
    const { firstRow, firstColumn, rate, key, step, layer } = mask;
    const groups = Math.floor((firstRow + rows - 1) / 4) - Math.floor(firstRow / 4) + 1;
    const kernel = this.#kernel('dropout').at(0, x).at(1, out).sizes(rows, columns);
    kernel.reals(1 / (1 - rate));
    kernel.words(firstRow, firstColumn, dropoutThreshold(rate), key[0], key[1], step, layer);
    kernel.each(groups * columns);
  }

  add(a: Tensor, b: Tensor, out: Tensor): void {
    this.#kernel('add').at(0, a).at(1, b).at(2, out).each(out.length);
  }
  multiply(a: Tensor, b: Tensor, out: Tensor): void {
    this.#kernel('multiply').at(0, a).at(1, b).at(2, out).each(out.length);
  }
  axpy(alpha: number, x: Tensor, y: Tensor): void {
    this.#kernel('axpy').at(0, x).at(1, y).reals(alpha).each(y.length);
  }
  scale(alpha: number, x: Tensor): void {
    this.#kernel('scale').at(0, x).reals(alpha).each(x.length);
  }
  fill(x: Tensor, value: number): void {
    if (x.length > 0) this.#device.fill(x.byteOffset, bitsOf(value), x.length);
  }
  encodeRows(precision: EncodedPrecision, x: Tensor, out: Bytes): void {
    if (precision === 'bfloat16') {
      this.#kernel('encode_bfloat16').at(0, x).at(1, out).each(x.length);
    } else {
      const kernel = this.#kernel('encode_int8').at(0, x).at(1, out);
      kernel.sizes(rowsOf(x), columnsOf(x)).blocks(rowsOf(x));
    }
  }
  decodeRows(precision: EncodedPrecision, encoded: Bytes, out: Tensor): void {
    const name = precision === 'bfloat16' ? 'decode_bfloat16' : 'decode_int8';
    const kernel = this.#kernel(name).at(0, encoded).at(1, out);
    kernel.sizes(rowsOf(out), columnsOf(out)).each(out.length);
  }
  columnDots(a: Tensor, b: Tensor, out: Tensor): void {
    const kernel = this.#kernel('column_dots').at(0, a).at(1, b).at(2, out);
    kernel.sizes(rowsOf(a), columnsOf(a)).blocks(Math.ceil(columnsOf(a) / DOT_COLUMNS));
  }
  scaleColumns(x: Tensor, factors: Tensor, out: Tensor): void {
    const kernel = this.#kernel('scale_columns').at(0, x).at(1, factors).at(2, out);
    kernel.sizes(rowsOf(x), columnsOf(x)).each(x.length);
  }
  addScaledColumns(x: Tensor, factors: Tensor, y: Tensor): void {
    const kernel = this.#kernel('add_scaled_columns').at(0, x).at(1, factors).at(2, y);
    kernel.sizes(rowsOf(x), columnsOf(x)).each(x.length);
  }
  inverseRms(sums: Tensor, size: number, out: Tensor): void {
    const kernel = this.#kernel('inverse_rms').at(0, sums).at(1, out);
    kernel.sizes(rowsOf(sums), columnsOf(sums), size).each(columnsOf(sums));
  }
  rmsCorrection(dots: Tensor, inverse: Tensor, size: number, out: Tensor): void {
    const kernel = this.#kernel('rms_correction').at(0, dots).at(1, inverse).at(2, out);
    kernel.sizes(1, out.length, size).each(out.length);
  }

  sumOfSquares(x: Tensor, slots: Slots, at: number): void {
    this.#summing('sum_of_squares').at(0, x);
    this.#sums.into(slots, at, x.length);
  }
  elementLoss(
    loss: ElementLoss,
    z: Tensor,
    target: Tensor,
    weights: Tensor | null,
    dz: Tensor,
    gradientScale: number,
    validColumns: number,
    slots: Slots,
    at: number,
  ): void {
    const factor = loss.name === 'mse' ? 2 * gradientScale : gradientScale;
    const kernel = this.#summing('element_loss').at(0, z).at(1, target).at(2, weights).at(3, dz);
    kernel.sizes(rowsOf(z), columnsOf(z), validColumns);
    kernel.kind(ELEMENT_LOSSES[loss.name].kernel).reals(loss.parameter, factor);
    this.#sums.into(slots, at, z.length);
  }
  softmaxCrossEntropy(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | null,
    smoothing: number,
    dLogits: Tensor,
    gradientScale: number,
    validColumns: number,
    slots: Slots,
    at: number,
  ): void {
    const kernel = this.#summing('cross_entropy').at(6, this.#sums.parts[1]);
    kernel.at(0, logits).at(1, labels).at(2, weights).at(3, dLogits);
    kernel.sizes(rowsOf(logits), columnsOf(logits), validColumns).reals(gradientScale, smoothing);
    this.#sums.into(slots, at, columnsOf(logits), 2);
  }

  sgdStep(tensors: readonly UpdateOperands[], step: SgdStep, slots: Slots, at: number): void {
    const { learningRate, momentum, weightDecay, gradientScale } = step;
    this.#updates.numbers(learningRate, momentum, weightDecay, gradientScale);
    this.#updates.step('sgd_step', step.nesterov ? 1 : 0, tensors, slots, at);
  }
  adamStep(tensors: readonly UpdateOperands[], step: AdamStep, slots: Slots, at: number): void {
    const { learningRate, beta1, beta2, weightDecay, decoupled } = step;
    this.#updates.numbers(
      beta1,
      1 - beta1,
      beta2,
      1 - beta2,
      learningRate / step.biasCorrection1,
      1 / Math.sqrt(step.biasCorrection2),
      step.epsilon,
      decoupled ? learningRate * weightDecay : 0,
      decoupled ? 0 : weightDecay,
      step.gradientScale,
    );
    this.#updates.step('adam_step', 0, tensors, slots, at);
  }

  #kernel(name: KernelName): Launcher {
    return this.#launcher.of(name);
  }
  /** A kernel whose blocks leave parts of a sum. */
  #summing(name: KernelName): Launcher {
    return this.#launcher.of(name).at(7, this.#sums.parts[0]);
  }
}

const bits = new DataView(new ArrayBuffer(4));
function bitsOf(value: number): number {
  bits.setFloat32(0, value);
  return bits.getUint32(0);
}
function hostArray<T extends ElementType>(dtype: T, length: number): HostArrays[T];
function hostArray(dtype: ElementType, length: number): HostArrays[ElementType] {
  if (dtype === 'float32') return new Float32Array(length);
  return dtype === 'bfloat16' ? new Uint16Array(length) : new Uint8Array(length);
}
function isHalf({ dtype }: AnyTensor): 0 | 1 {
  return dtype === 'bfloat16' ? 1 : 0;
}
function rowsOf({ shape }: AnyTensor): number {
  return shape[0] ?? 1;
}
/** Of a two-dimensional tensor; a one-dimensional one is a column. */
function columnsOf({ shape }: AnyTensor): number {
  return shape[1] ?? 1;
}
