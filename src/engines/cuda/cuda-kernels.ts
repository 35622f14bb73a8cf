import type { EncodedPrecision } from '../../tensor/precision.js';
import {
  type AnyTensor,
  type Bytes,
  type Matrix,
  operandDtype,
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
import type { Calls } from './calls.js';
import { type DeviceParts, DeviceMemory } from './device-memory.js';
import type { KernelName, Launcher } from './kernel-launcher.js';
import type { Products } from './products.js';
import type { Sums } from './sums.js';
import { Updates } from './updates.js';

/** The first generation with products of bfloat16, and of TF32. */
export const HALF_CAPABILITY = 80;
/** Columns of a row that `bias_activation_gradient` has a warp for, at most: `NARROW` of
 * kernels/cuda/activations.cu; and rows that a block then has. */
const NARROW = 1024;
const NARROW_ROWS = 8;

/** The engine of a CUDA device. Calls are put on one stream, at once or when something is copied or waited
 * for; `read`, `toHost` and `synchronize` wait for them. Addresses of tensors are those of the device. */
export class CudaEngine extends DeviceMemory implements Engine {
  readonly name = 'cuda';
  readonly description: string;
  readonly halfProducts: HalfProducts;
  readonly asynchronous = true;
  readonly #calls: Calls;
  readonly #launcher: Launcher;
  readonly #products: Products;
  readonly #sums: Sums;
  readonly #updates: Updates;

  /** @param version of cuBLASLt: 10,000 · major + 100 · minor + patch */
  constructor(parts: DeviceParts, version: number) {
    super(parts);
    const { device, calls, launcher, products, sums, staging } = parts;
    this.#calls = calls;
    this.#launcher = launcher;
    this.#products = products;
    this.#sums = sums;
    this.#updates = new Updates(device, calls, launcher, staging);
    this.halfProducts = device.capability >= HALF_CAPABILITY ? 'native' : 'emulated';
    const [major, minor] = [Math.floor(version / 10_000), Math.floor((version % 10_000) / 100)];
    this.description =
      `${device.name}, ${(device.totalBytes / 2 ** 30).toFixed(1)} GiB, compute capability ` +
      `${(device.capability / 10).toFixed(1)}, driver for CUDA ${device.driverVersion}, cuBLASLt ` +
      `${major}.${minor} (this engine has never run on a GPU)`;
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
    kernel.kind(ACTIVATIONS[activation].kernel, isHalf(out)).fours(z.length);
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
    const rowsOfBlock = columnsOf(dz) <= NARROW ? NARROW_ROWS : 1;
    kernel.kind(ACTIVATIONS[activation].kernel, flags).blocks(Math.ceil(rowsOf(dz) / rowsOfBlock));
  }
  dropout(x: Tensor, mask: DropoutMask, out: Tensor): void {
    const [rows, columns] = [rowsOf(x), columnsOf(x)];
    if (rows === 0) return;
    const { firstRow, firstColumn, rate, key, step, layer } = mask;
    const groups = Math.floor((firstRow + rows - 1) / 4) - Math.floor(firstRow / 4) + 1;
    const kernel = this.#kernel('dropout').at(0, x).at(1, out).sizes(rows, columns);
    kernel.reals(1 / (1 - rate));
    kernel.words(firstRow, firstColumn, dropoutThreshold(rate), key[0], key[1], step, layer);
    // Steps draw others.
    this.#calls.alone(() => kernel.each(groups * columns));
  }

  add(a: Tensor, b: Tensor, out: Tensor): void {
    this.#kernel('add').at(0, a).at(1, b).at(2, out).fours(out.length);
  }
  multiply(a: Tensor, b: Tensor, out: Tensor): void {
    this.#kernel('multiply').at(0, a).at(1, b).at(2, out).fours(out.length);
  }
  axpy(alpha: number, x: Tensor, y: Tensor): void {
    this.#kernel('axpy').at(0, x).at(1, y).reals(alpha).fours(y.length);
  }
  scale(alpha: number, x: Tensor): void {
    this.#kernel('scale').at(0, x).reals(alpha).fours(x.length);
  }
  encodeRows(precision: EncodedPrecision, x: Tensor, out: Bytes): void {
    if (precision === 'bfloat16') {
      this.#kernel('encode_bfloat16').at(0, x).at(1, out).fours(x.length);
    } else {
      const kernel = this.#kernel('encode_int8').at(0, x).at(1, out);
      kernel.sizes(rowsOf(x), columnsOf(x)).blocks(rowsOf(x));
    }
  }
  decodeRows(precision: EncodedPrecision, encoded: Bytes, out: Tensor): void {
    if (precision === 'bfloat16') {
      this.#kernel('decode_bfloat16').at(0, encoded).at(1, out).fours(out.length);
    } else {
      const kernel = this.#kernel('decode_int8').at(0, encoded).at(1, out);
      kernel.sizes(rowsOf(out), columnsOf(out)).each(out.length);
    }
  }
  columnDots(a: Tensor, b: Tensor, out: Tensor): void {
    this.#sums.columnDots(a, b, out);
  }
  scaleColumns(x: Tensor, factors: Tensor, out: Tensor): void {
    const kernel = this.#kernel('scale_columns').at(0, x).at(1, factors).at(2, out);
    kernel.sizes(rowsOf(x), columnsOf(x)).fours(x.length);
  }
  addScaledColumns(x: Tensor, factors: Tensor, y: Tensor): void {
    const kernel = this.#kernel('add_scaled_columns').at(0, x).at(1, factors).at(2, y);
    kernel.sizes(rowsOf(x), columnsOf(x)).fours(x.length);
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
  sumsOfSquares(tensors: readonly Tensor[], slots: Slots, at: number): void {
    this.#updates.squares(tensors, slots, at);
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
    this.#sums.columnsInto(slots, at, columnsOf(logits));
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
