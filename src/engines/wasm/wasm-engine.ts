import { HostPhaseClock, type PhaseClock } from '../../base/phases.js';
import type { PendingCopy } from '../../tensor/region-copies.js';
import type { EncodedPrecision } from '../../tensor/precision.js';
import {
  type AnyTensor,
  type Bytes,
  type Dtype,
  type ElementType,
  type HostArrays,
  type HostRegion,
  type HostTensor,
  type Matrix,
  operandDtype,
  type Region,
  type Tensor,
} from '../../tensor/tensor.js';
import { type Activation, ACTIVATIONS } from '../activations.js';
import type { AdamStep, DropoutMask, SgdStep, Slots, UpdateOperands } from '../engine.js';
import type { HostEngine } from '../host-engine.js';
import { type ElementLoss, ELEMENT_LOSSES } from '../element-losses.js';
import { dropoutThreshold } from '../dropout-threshold.js';
import { sameLength } from '../same-length.js';
import { Arena } from './wasm-arena.js';
import { loadKernelModule, widensKernels } from './kernel-module.js';
import { instantiateKernels } from './kernels.js';
import type { Kernels } from './kernels.js';
import type { WasmMemory, WasmModule } from '../../base/web-assembly.js';

/** How the engine of WebAssembly kernels is made. */
export interface WasmEngineOptions {
  /** Fused multiply-add: faster before Node 24, and rounded differently on different processors. */
  readonly relaxed?: boolean;
  /** Compiled kernels: `kernels.wasm` or, with `relaxed`, `kernels-relaxed.wasm`; without it they
   * are read from the package. */
  readonly module?: WasmModule;
}

/** An engine whose kernels are WebAssembly, on one thread and a memory of its own of up to 4 GiB.
 * Its results are the same bits on every machine, unless `relaxed`.
 * @throws UnsupportedError where the kernels cannot be compiled */
export function createWasmEngine(options: WasmEngineOptions = {}): WasmEngine {
  return new WasmEngine(options.relaxed ?? false, options.module);
}

const DONE: PendingCopy = { wait() {} };

/** The engine of WebAssembly kernels. */
export class WasmEngine implements HostEngine {
  readonly name: string;
  readonly description: string;
  readonly halfProducts = 'widened';
  readonly asynchronous = false;
  readonly idle = null;
  readonly peers = null;
  readonly devices = 0;
  readonly besideBytes = 0;
  readonly #arena = new Arena();
  readonly #kernels: Kernels;

  constructor(relaxed: boolean, module: WasmModule = loadKernelModule(relaxed)) {
    this.name = relaxed ? 'wasm-relaxed' : 'wasm';
    const how = widensKernels() ? ', V8 asked for 256 bits' : '';
    this.description = `WebAssembly SIMD${relaxed ? ' with fused multiply-add' : how}`;
    this.#kernels = instantiateKernels(module, this.#arena.memory);
  }

  /** Where all tensors of this engine lie. */
  get memory(): WasmMemory {
    return this.#arena.memory;
  }
  get allocatedBytes(): number {
    return this.#arena.allocatedBytes;
  }
  get capacityBytes(): number {
    return this.#arena.capacityBytes;
  }
  allocate(shape: readonly number[]): HostTensor;
  allocate(shape: readonly number[], dtype: 'bfloat16'): HostTensor<'bfloat16'>;
  allocate(shape: readonly number[], dtype: Dtype): HostTensor | HostTensor<'bfloat16'>;
  allocate(
    shape: readonly number[],
    dtype: Dtype = 'float32',
  ): HostTensor | HostTensor<'bfloat16'> {
    return this.#arena.allocate(shape, dtype);
  }
  slots(count: number): Slots {
    return { length: count, byteOffset: 0, values: new Float64Array(count) };
  }
  read({ values }: Slots): Float64Array {
    return values;
  }
  toHost<T extends ElementType>(from: Region<T>, into?: HostArrays[T]): HostArrays[T] {
    const { data } = from as HostRegion<T>;
    if (into === undefined) return data;
    sameLength(into, data);
    into.set(data);
    return into;
  }
  startToHost<T extends ElementType>(from: Region<T>, into: HostArrays[T]): PendingCopy {
    this.toHost(from, into);
    return DONE;
  }
  phaseClock(): PhaseClock {
    return new HostPhaseClock();
  }
  synchronize(): void {}
  close(): void {}
  toDevice<T extends ElementType>(from: HostArrays[T], to: Region<T>): void {
    const { data } = to as HostRegion<T>;
    sameLength(from, data);
    data.set(from);
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
    this.#kernels.gemm(
      transposeA ? 1 : 0,
      transposeB ? 1 : 0,
      operandDtype(a, b) === 'bfloat16' ? 1 : 0,
      c.rows,
      c.columns,
      transposeA ? a.rows : a.columns,
      alpha,
      a.byteOffset,
      a.stride,
      b.byteOffset,
      b.stride,
      beta,
      c.byteOffset,
      c.stride,
    );
  }

  biasActivation(activation: Activation, z: Tensor, bias: Tensor | null, out: AnyTensor): void {
    const rows = z.shape[0] ?? 1;
    this.#kernels.biasActivation(
      ACTIVATIONS[activation].kernel,
      z.byteOffset,
      bias === null ? 0 : bias.byteOffset,
      out.byteOffset,
      rows,
      columnsOf(z),
      isHalf(out),
    );
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
    this.#kernels.biasActivationGradient(
      ACTIVATIONS[activation].kernel,
      z.byteOffset,
      out.byteOffset,
      dOut.byteOffset,
      dz.byteOffset,
      betaBias,
      dBias === null ? 0 : dBias.byteOffset,
      dz.shape[0] ?? 1,
      columnsOf(dz),
      isHalf(out),
      isHalf(dz),
    );
  }

  dropout(x: Tensor, mask: DropoutMask, out: Tensor): void {
    this.#kernels.dropout(
      x.byteOffset,
      out.byteOffset,
      x.shape[0] ?? 1,
      columnsOf(x),
      mask.firstRow,
      mask.firstColumn,
      dropoutThreshold(mask.rate),
      1 / (1 - mask.rate),
      mask.key[0],
      mask.key[1],
      mask.step,
      mask.layer,
    );
  }

  add(a: Tensor, b: Tensor, out: Tensor): void {
    this.#kernels.add(a.byteOffset, b.byteOffset, out.byteOffset, out.length);
  }
  multiply(a: Tensor, b: Tensor, out: Tensor): void {
    this.#kernels.multiply(a.byteOffset, b.byteOffset, out.byteOffset, out.length);
  }
  axpy(alpha: number, x: Tensor, y: Tensor): void {
    this.#kernels.axpy(alpha, x.byteOffset, y.byteOffset, y.length);
  }
  scale(alpha: number, x: Tensor): void {
    this.#kernels.scale(alpha, x.byteOffset, x.length);
  }
  fill(x: Tensor, value: number): void {
    this.#kernels.fill(x.byteOffset, value, x.length);
  }
  copy<T extends ElementType>(from: Region<T>, to: Region<T>): void {
    if (to.dtype === 'float32') this.#kernels.copy(from.byteOffset, to.byteOffset, to.length);
    else (to as HostRegion<T>).data.set((from as HostRegion<T>).data);
  }
  encodeRows(precision: EncodedPrecision, x: Tensor, out: Bytes): void {
    const [from, to] = [x.byteOffset, out.byteOffset];
    if (precision === 'bfloat16') this.#kernels.encodeBfloat16(from, to, x.length);
    else this.#kernels.encodeInt8(from, to, x.shape[0] ?? 1, columnsOf(x));
  }
  /** Writes a bfloat16 matrix at an address in float32, without gaps, at one of the kernels' own bytes. */
  widen(from: number, stride: number, rows: number, columns: number, to: number): void {
    this.#kernels.widenRows(from, stride, rows, columns, to);
  }
  decodeRows(precision: EncodedPrecision, encoded: Bytes, out: Tensor): void {
    const [from, to] = [encoded.byteOffset, out.byteOffset];
    if (precision === 'bfloat16') this.#kernels.decodeBfloat16(from, to, out.length);
    else this.#kernels.decodeInt8(from, to, out.shape[0] ?? 1, columnsOf(out));
  }
  columnDots(a: Tensor, b: Tensor, out: Tensor): void {
    const [rows, columns] = [a.shape[0] ?? 1, columnsOf(a)];
    this.#kernels.columnDots(a.byteOffset, b.byteOffset, out.byteOffset, rows, columns);
  }
  scaleColumns(x: Tensor, factors: Tensor, out: Tensor): void {
    const [rows, columns] = [x.shape[0] ?? 1, columnsOf(x)];
    this.#kernels.scaleColumns(x.byteOffset, factors.byteOffset, out.byteOffset, rows, columns);
  }
  addScaledColumns(x: Tensor, factors: Tensor, y: Tensor): void {
    const [rows, columns] = [x.shape[0] ?? 1, columnsOf(x)];
    this.#kernels.addScaledColumns(x.byteOffset, factors.byteOffset, y.byteOffset, rows, columns);
  }
  inverseRms(sums: Tensor, count: number, out: Tensor): void {
    const [parts, columns] = [sums.shape[0] ?? 1, columnsOf(sums)];
    this.#kernels.inverseRms(sums.byteOffset, out.byteOffset, parts, columns, count);
  }
  rmsCorrection(dots: Tensor, inverse: Tensor, count: number, out: Tensor): void {
    const columns = out.length;
    const [from, by] = [dots.byteOffset, inverse.byteOffset];
    this.#kernels.rmsCorrection(from, by, out.byteOffset, columns, count);
  }
  sumOfSquares(x: Tensor, { values }: Slots, at: number): void {
    values[at] = this.#kernels.sumOfSquares(x.byteOffset, x.length);
  }
  sumsOfSquares(tensors: readonly Tensor[], slots: Slots, at: number): void {
    for (const [i, x] of tensors.entries()) this.sumOfSquares(x, slots, at + i);
  }

  elementLoss(
    loss: ElementLoss,
    z: Tensor,
    target: Tensor,
    weights: Tensor | null,
    dz: Tensor,
    gradientScale: number,
    validColumns: number,
    { values }: Slots,
    at: number,
  ): void {
    values[at] = this.#kernels.elementLoss(
      ELEMENT_LOSSES[loss.name].kernel,
      loss.parameter,
      z.byteOffset,
      target.byteOffset,
      weights === null ? 0 : weights.byteOffset,
      dz.byteOffset,
      gradientScale,
      z.shape[0] ?? 1,
      columnsOf(z),
      validColumns,
    );
  }

  softmaxCrossEntropy(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | null,
    smoothing: number,
    dLogits: Tensor,
    gradientScale: number,
    validColumns: number,
    { values }: Slots,
    at: number,
  ): void {
    values[at] = this.#kernels.softmaxCrossEntropy(
      logits.byteOffset,
      labels.byteOffset,
      weights === null ? 0 : weights.byteOffset,
      smoothing,
      dLogits.byteOffset,
      gradientScale,
      logits.shape[0] ?? 1,
      columnsOf(logits),
      validColumns,
    );
    values[at + 1] = this.#kernels.correctColumns();
  }

  sgdStep(tensors: readonly UpdateOperands[], step: SgdStep, { values }: Slots, at: number): void {
    for (const [i, { weights, gradient, states, copy }] of tensors.entries()) {
      values[at + i] = this.#kernels.sgdStep(
        weights.byteOffset,
        gradient.byteOffset,
        addressOf(states[0]),
        step.learningRate,
        step.momentum,
        step.nesterov ? 1 : 0,
        step.weightDecay,
        step.gradientScale,
        addressOf(copy),
        weights.length,
      );
    }
  }

  adamStep(
    tensors: readonly UpdateOperands[],
    step: AdamStep,
    { values }: Slots,
    at: number,
  ): void {
    const { learningRate, beta1, beta2, weightDecay, decoupled } = step;
    for (const [i, { weights, gradient, states, copy }] of tensors.entries()) {
      values[at + i] = this.#kernels.adamStep(
        weights.byteOffset,
        gradient.byteOffset,
        addressOf(states[0]),
        addressOf(states[1]),
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
        addressOf(copy),
        weights.length,
      );
    }
  }
}

/** 0: there is none. */
function addressOf(tensor: AnyTensor | null | undefined): number {
  return tensor?.byteOffset ?? 0;
}

/** The kernels' word for bfloat16. */
function isHalf({ dtype }: AnyTensor): 0 | 1 {
  return dtype === 'bfloat16' ? 1 : 0;
}

/** Columns of a two-dimensional tensor; a one-dimensional one is a column. */
function columnsOf(tensor: AnyTensor): number {
  return tensor.shape[1] ?? 1;
}
