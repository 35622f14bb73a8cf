import type { PhaseClock } from '../base/phases.js';
import type { PeerCopies } from '../tensor/peer-copies.js';
import type { IdleClock, PendingCopy } from '../tensor/region-copies.js';
import type { EncodedPrecision } from '../tensor/precision.js';
import type {
  AnyTensor,
  Bytes,
  Dtype,
  ElementType,
  HostArrays,
  Matrix,
  Region,
  Tensor,
} from '../tensor/tensor.js';
import type { Activation } from './activations.js';
import type { ElementLoss } from './element-losses.js';
import type {
  AdamStep,
  DropoutMask,
  Engine,
  HalfProducts,
  SgdStep,
  Slots,
  UpdateOperands,
} from './engine.js';

/** An engine that passes every call to another: the base of engines that change a few of them. */
export class ForwardingEngine implements Engine {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get name(): string {
    return this.#engine.name;
  }
  get description(): string {
    return this.#engine.description;
  }
  get halfProducts(): HalfProducts {
    return this.#engine.halfProducts;
  }
  get idle(): IdleClock | null {
    return this.#engine.idle;
  }
  get peers(): PeerCopies | null {
    return this.#engine.peers;
  }
  get asynchronous(): boolean {
    return this.#engine.asynchronous;
  }
  get devices(): number {
    return this.#engine.devices;
  }
  get allocatedBytes(): number {
    return this.#engine.allocatedBytes;
  }
  get capacityBytes(): number {
    return this.#engine.capacityBytes;
  }
  get besideBytes(): number {
    return this.#engine.besideBytes;
  }
  allocate(shape: readonly number[]): Tensor;
  allocate(shape: readonly number[], dtype: 'bfloat16'): Tensor<'bfloat16'>;
  allocate(shape: readonly number[], dtype: Dtype): AnyTensor;
  allocate(shape: readonly number[], dtype: Dtype = 'float32'): AnyTensor {
    return this.#engine.allocate(shape, dtype);
  }
  slots(count: number): Slots {
    return this.#engine.slots(count);
  }
  read(slots: Slots): Float64Array {
    return this.#engine.read(slots);
  }
  toHost<T extends ElementType>(from: Region<T>, into?: HostArrays[T]): HostArrays[T] {
    return this.#engine.toHost(from, into);
  }
  startToHost<T extends ElementType>(from: Region<T>, into: HostArrays[T]): PendingCopy {
    return this.#engine.startToHost(from, into);
  }
  phaseClock(): PhaseClock {
    return this.#engine.phaseClock();
  }
  synchronize(): void {
    this.#engine.synchronize();
  }
  close(): void {
    this.#engine.close();
  }
  toDevice<T extends ElementType>(from: HostArrays[T], to: Region<T>): void {
    this.#engine.toDevice(from, to);
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
    this.#engine.gemm(transposeA, transposeB, alpha, a, b, beta, c);
  }

  biasActivation(activation: Activation, z: Tensor, bias: Tensor | null, out: AnyTensor): void {
    this.#engine.biasActivation(activation, z, bias, out);
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
    this.#engine.biasActivationGradient(activation, z, out, dOut, dz, betaBias, dBias);
  }
  dropout(x: Tensor, mask: DropoutMask, out: Tensor): void {
    this.#engine.dropout(x, mask, out);
  }
  add(a: Tensor, b: Tensor, out: Tensor): void {
    this.#engine.add(a, b, out);
  }
  multiply(a: Tensor, b: Tensor, out: Tensor): void {
    this.#engine.multiply(a, b, out);
  }
  axpy(alpha: number, x: Tensor, y: Tensor): void {
    this.#engine.axpy(alpha, x, y);
  }
  scale(alpha: number, x: Tensor): void {
    this.#engine.scale(alpha, x);
  }
  fill(x: Tensor, value: number): void {
    this.#engine.fill(x, value);
  }
  copy<T extends ElementType>(from: Region<T>, to: Region<T>): void {
    this.#engine.copy(from, to);
  }
  encodeRows(precision: EncodedPrecision, x: Tensor, out: Bytes): void {
    this.#engine.encodeRows(precision, x, out);
  }
  decodeRows(precision: EncodedPrecision, encoded: Bytes, out: Tensor): void {
    this.#engine.decodeRows(precision, encoded, out);
  }
  columnDots(a: Tensor, b: Tensor, out: Tensor): void {
    this.#engine.columnDots(a, b, out);
  }
  scaleColumns(x: Tensor, factors: Tensor, out: Tensor): void {
    this.#engine.scaleColumns(x, factors, out);
  }
  addScaledColumns(x: Tensor, factors: Tensor, y: Tensor): void {
    this.#engine.addScaledColumns(x, factors, y);
  }
  inverseRms(sums: Tensor, count: number, out: Tensor): void {
    this.#engine.inverseRms(sums, count, out);
  }
  rmsCorrection(dots: Tensor, inverse: Tensor, count: number, out: Tensor): void {
    this.#engine.rmsCorrection(dots, inverse, count, out);
  }
  sumOfSquares(x: Tensor, slots: Slots, at: number): void {
    this.#engine.sumOfSquares(x, slots, at);
  }
  sumsOfSquares(tensors: readonly Tensor[], slots: Slots, at: number): void {
    this.#engine.sumsOfSquares(tensors, slots, at);
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
    const engine = this.#engine;
    engine.elementLoss(loss, z, target, weights, dz, gradientScale, validColumns, slots, at);
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
    const engine = this.#engine;
    engine.softmaxCrossEntropy(
      logits,
      labels,
      weights,
      smoothing,
      dLogits,
      gradientScale,
      validColumns,
      slots,
      at,
    );
  }
  sgdStep(tensors: readonly UpdateOperands[], step: SgdStep, slots: Slots, at: number): void {
    this.#engine.sgdStep(tensors, step, slots, at);
  }
  adamStep(tensors: readonly UpdateOperands[], step: AdamStep, slots: Slots, at: number): void {
    this.#engine.adamStep(tensors, step, slots, at);
  }
}
