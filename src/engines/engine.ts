import type { PhaseClock } from '../base/phases.js';
import type { RegionCopies } from '../tensor/region-copies.js';
import type { EncodedPrecision } from '../tensor/precision.js';
import type { AnyTensor, Bytes, Dtype, Matrix, Tensor } from '../tensor/tensor.js';
import type { Activation } from './activations.js';
import type { ElementLoss } from './element-losses.js';

/** A tensor that an optimizer's pass updates, with what belongs to it, all of one length. */
export interface UpdateOperands {
  readonly weights: Tensor;
  readonly gradient: Tensor;
  /** Of `sgdStep` the velocity, if any; of `adamStep` the first and the second moment. */
  readonly states: readonly Tensor[];
  /** Gets the new weights in the same pass. */
  readonly copy: Tensor<'bfloat16'> | null;
}

/** Constants of a step of Adam. */
export interface AdamStep {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decay, either added to the gradient (`decoupled` false) or taken off the weights. */
  readonly weightDecay: number;
  readonly decoupled: boolean;
  /** 1 − beta1^t and 1 − beta2^t for step t, counted from 1. */
  readonly biasCorrection1: number;
  readonly biasCorrection2: number;
  /** Factor on the gradient before it is used (clipping). */
  readonly gradientScale: number;
}

/** Constants of a step of SGD. */
export interface SgdStep {
  readonly learningRate: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  readonly gradientScale: number;
}

/** Which elements of a matrix dropout keeps: element (row, column) of the whole matrix by a function of
 * key, step, layer, row and column alone, whatever part of the matrix a call is about. */
export interface DropoutMask {
  /** Share of the elements that are dropped: at least 0, below 1. */
  readonly rate: number;
  /** Two words of 32 bits, as step and layer are one each. */
  readonly key: readonly [number, number];
  readonly step: number;
  readonly layer: number;
  /** Of the tensor's first element, in the whole matrix. */
  readonly firstRow: number;
  readonly firstColumn: number;
}

/** float64 numbers that kernels write in the memory of one engine, to be read together once they are
 * needed (`Engine.read`), so that kernels need not be waited for one by one. */
export interface Slots {
  readonly length: number;
  /** Address of the first in the engine's memory; 0 where kernels write `values`. */
  readonly byteOffset: number;
  /** As they were at the last `read`; before it, not to be relied on. */
  readonly values: Float64Array;
}

/** How an engine makes products of bfloat16 matrices: `native`, by hardware that has them;
 * `emulated`, by a library that has none for this processor; `widened` to float32 on the way. */
export type HalfProducts = 'native' | 'emulated' | 'widened';

/**
 * The kernels of a training step, on memory that the engine allocates. Tensors are float32 where
 * nothing else is said; operands of products may be bfloat16, and what becomes one can be written so.
 *
 * Calls are done in their order. Their results are there for the calls that follow, for `toHost` and for
 * `read`; on an engine that is not `asynchronous`, when the call returns. Sums that kernels give are
 * float64, in slots. Shapes are checked where an operator is planned, not here. No call allocates, apart
 * from `allocate`, `slots`, and a `toHost` that copies.
 */
export interface Engine extends RegionCopies {
  /** `blas`, `wasm`, `wasm-relaxed` or `cuda`. */
  readonly name: string;
  /** One line for people: library, version, threads. */
  readonly description: string;
  /** How it multiplies bfloat16 matrices. */
  readonly halfProducts: HalfProducts;
  /** Whether calls may return before they are done. */
  readonly asynchronous: boolean;
  /** Devices of this machine that ranks take in turn; 0: its memory is the host's. */
  readonly devices: number;

  /** Zero-filled storage that lives as long as the engine, by default float32.
   * @throws UnsupportedError when the memory cannot hold it, with the sizes. */
  allocate(shape: readonly number[]): Tensor;
  allocate(shape: readonly number[], dtype: 'bfloat16'): Tensor<'bfloat16'>;
  allocate(shape: readonly number[], dtype: Dtype): AnyTensor;
  /** Bytes that `allocate` has handed out, padding included. */
  readonly allocatedBytes: number;
  /** Most bytes that `allocate` can ever hand out. */
  readonly capacityBytes: number;
  /** Of a device, what an engine takes at most beside its tensors and those of collectives; the first one on a
   * device has it from what `capacityBytes` leaves out. 0: there is no device. */
  readonly besideBytes: number;

  /** Room for so many results of kernels, zero, as long as the engine; not part of `allocatedBytes`. */
  slots(count: number): Slots;
  /** Brings `values` up to date, once every call before has run, and returns them. */
  read(slots: Slots): Float64Array;
  /** A clock of what its work is for, of the rank that uses it: by the host's time, or that of an asynchronous
   * engine, which goes on with the calls. One for each engine. */
  phaseClock(): PhaseClock;
  /** Waits until every call has run. */
  synchronize(): void;
  /** Gives back all that the engine holds outside of the host's memory, which no garbage collection finds.
   * Whoever makes an engine closes it; nothing else may be called then. */
  close(): void;

  /** c = alpha · op(a) · op(b) + beta · c, where op transposes if asked. With beta = 0 the old
   * c is not read. Sizes come from `c` and `a`; an inner size of zero scales c by beta. a and b are
   * of one dtype; c is float32, and so are sums. */
  gemm(
    transposeA: boolean,
    transposeB: boolean,
    alpha: number,
    a: Matrix,
    b: Matrix,
    beta: number,
    c: Matrix,
  ): void;

  /** z += bias (one value a row; null: no bias), out = activation(z). z, out: [rows, columns];
   * bias: [rows]. `out` may be `z`, or bfloat16. */
  biasActivation(activation: Activation, z: Tensor, bias: Tensor | null, out: AnyTensor): void;
  /** dz = dOut · activation′(z) and dBias = betaBias · dBias + row sums of dz, where z is what
   * `biasActivation` left and out its output. `dz` may be `dOut`, or bfloat16: it is summed before it
   * is rounded. Without dBias no sums. Of a bfloat16 `out`, the activation is computed from z again. */
  biasActivationGradient(
    activation: Activation,
    z: Tensor,
    out: AnyTensor,
    dOut: Tensor,
    dz: AnyTensor,
    betaBias: number,
    dBias: Tensor | null,
  ): void;

  /** out = x / (1 − rate) where the mask keeps an element, else 0; x, out: [rows, columns], which may be
   * the same. An element is dropped where its word, of 32 bits, is below rate · 2³². The words of rows
   * 4g … 4g + 3 in column c are those of Philox4x32-10 with the key, at (c, g, step, layer). */
  dropout(x: Tensor, mask: DropoutMask, out: Tensor): void;

  /** out = a + b; any two may be the same tensor. */
  add(a: Tensor, b: Tensor, out: Tensor): void;
  /** out = a · b, element by element; any two may be the same tensor. */
  multiply(a: Tensor, b: Tensor, out: Tensor): void;
  /** y += alpha · x */
  axpy(alpha: number, x: Tensor, y: Tensor): void;
  /** x *= alpha */
  scale(alpha: number, x: Tensor): void;
  /** Every element of x = value */
  fill(x: Tensor, value: number): void;

  /** Writes the rows of x one after another in this precision (see `GhostPrecision`), without
   * gaps. A row with a number that is not finite decodes to such a number at least there. int8:
   * a row whose largest magnitude is below 1e-36 is written as zeros. */
  encodeRows(precision: EncodedPrecision, x: Tensor, out: Bytes): void;
  /** The rows of `out` as `encodeRows` wrote them, to the precision's rounding. */
  decodeRows(precision: EncodedPrecision, encoded: Bytes, out: Tensor): void;

  /** out[c] = Σ over rows of a · b, accumulated in float64. a, b: [rows, columns], which may be the
   * same; out: [columns]. */
  columnDots(a: Tensor, b: Tensor, out: Tensor): void;
  /** out = x · factors, a factor for each column. x, out: [rows, columns], which may be the same. */
  scaleColumns(x: Tensor, factors: Tensor, out: Tensor): void;
  /** y += x · factors, likewise. */
  addScaledColumns(x: Tensor, factors: Tensor, y: Tensor): void;
  /** out = 1 / √(Σ over rows of sums / count + 1e-6), the inverse root mean square of columns of
   * `count` numbers, from sums of squares of parts of them: [parts, columns]; out: [columns]. */
  inverseRms(sums: Tensor, count: number, out: Tensor): void;
  /** out = −dots · inverse³ / count, what the gradient of a normalization takes of each column. */
  rmsCorrection(dots: Tensor, inverse: Tensor, count: number, out: Tensor): void;

  /** slots[at] = Σ x², accumulated in float64. Not finite exactly when an element, or the sum, is not. */
  sumOfSquares(x: Tensor, slots: Slots, at: number): void;
  /** slots[at + i] = that of the tensor at i, to the same bits.
   * @param tensors an engine may keep what it makes of a list: hand over the same one in every step */
  sumsOfSquares(tensors: readonly Tensor[], slots: Slots, at: number): void;

  /** A loss of each element of the first `validColumns` columns: slots[at] = Σ weight · loss in float64,
   * and dz = gradientScale · weight · its derivative by z, zero in the other columns.
   * z, target, dz [rows, columns]; weights [columns], or null: each is one. */
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
  ): void;
  /** Softmax cross-entropy over rows (classes), for the first `validColumns` columns.
   * logits [classes, columns]; labels [columns], class indices as float32; weights [columns], or
   * null: each is one. Writes dLogits = gradientScale · weight · (softmax − one-hot), zero in the
   * other columns; slots[at] = Σ weight · loss, slots[at + 1] = how many are right. With `smoothing` s, s / classes of every class take the
   * place of s of the label. */
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
  ): void;

  /** One optimizer step of each tensor; slots[at + i] = Σ gradient² (before scaling) of the one at i,
   * accumulated in float64. With g = gradientScale · gradient + weightDecay · w: without a velocity
   * w −= lr · g; else v = momentum · v + g and w −= lr · (nesterov ? g + momentum · v : v).
   * @param tensors an engine may keep what it makes of a list: hand over the same one in every step */
  sgdStep(tensors: readonly UpdateOperands[], step: SgdStep, slots: Slots, at: number): void;
  /** Adam (arXiv:1412.6980) or, with `decoupled`, AdamW (arXiv:1711.05101):
   * m = β₁m + (1−β₁)g, v = β₂v + (1−β₂)g², w −= lr · (m / c₁) / (√(v / c₂) + ε).
   * Slots and lists as of `sgdStep`. */
  adamStep(tensors: readonly UpdateOperands[], step: AdamStep, slots: Slots, at: number): void;
}
