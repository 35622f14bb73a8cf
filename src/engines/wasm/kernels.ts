import { webAssembly } from '../../base/web-assembly.js';
import type { WasmMemory, WasmModule } from '../../base/web-assembly.js';

/**
 * The WebAssembly kernels (`kernels/`), as functions of byte addresses in the memory that they
 * were instantiated over. Counts and strides are in elements; address 0 stands for no array.
 * Nothing is checked: a wrong address traps or overwrites. `half` says that operands, or what is
 * written, are bfloat16.
 */
export interface Kernels {
  gemm(
    transposeA: number,
    transposeB: number,
    half: number,
    m: number,
    n: number,
    k: number,
    alpha: number,
    a: number,
    strideA: number,
    b: number,
    strideB: number,
    beta: number,
    c: number,
    strideC: number,
  ): void;

  biasActivation(
    kind: number,
    z: number,
    bias: number,
    out: number,
    rows: number,
    columns: number,
    half: number,
  ): void;
  biasActivationGradient(
    kind: number,
    z: number,
    out: number,
    dOut: number,
    dz: number,
    betaBias: number,
    dBias: number,
    rows: number,
    columns: number,
    outHalf: number,
    half: number,
  ): void;

  /** out = a + b, `count` float32 values; any two may be the same. */
  add(a: number, b: number, out: number, count: number): void;
  multiply(a: number, b: number, out: number, count: number): void;
  axpy(alpha: number, x: number, y: number, count: number): void;
  scale(alpha: number, x: number, count: number): void;
  fill(x: number, value: number, count: number): void;
  copy(from: number, to: number, count: number): void;
  sumOfSquares(x: number, count: number): number;

  dropout(
    x: number,
    out: number,
    rows: number,
    columns: number,
    row: number,
    column: number,
    threshold: number,
    scale: number,
    key0: number,
    key1: number,
    draw0: number,
    draw1: number,
  ): void;

  columnDots(a: number, b: number, out: number, rows: number, columns: number): void;
  scaleColumns(x: number, factors: number, out: number, rows: number, columns: number): void;
  addScaledColumns(x: number, factors: number, y: number, rows: number, columns: number): void;
  inverseRms(sums: number, out: number, parts: number, columns: number, count: number): void;
  rmsCorrection(dots: number, inverse: number, out: number, columns: number, count: number): void;

  encodeBfloat16(from: number, to: number, count: number): void;
  decodeBfloat16(from: number, to: number, count: number): void;
  /** Rows of bfloat16 numbers, `stride` apart, to float32 ones without gaps. */
  widenRows(from: number, stride: number, rows: number, columns: number, to: number): void;
  /** A row of `columns` float32 numbers becomes 4 + `columns` bytes. */
  encodeInt8(from: number, to: number, rows: number, columns: number): void;
  decodeInt8(from: number, to: number, rows: number, columns: number): void;

  elementLoss(
    kind: number,
    parameter: number,
    z: number,
    target: number,
    weights: number,
    dz: number,
    gradientScale: number,
    rows: number,
    columns: number,
    valid: number,
  ): number;
  softmaxCrossEntropy(
    logits: number,
    labels: number,
    weights: number,
    smoothing: number,
    dLogits: number,
    gradientScale: number,
    classes: number,
    columns: number,
    valid: number,
  ): number;
  /** How many columns the last `softmaxCrossEntropy` classified correctly. */
  correctColumns(): number;

  sgdStep(
    weights: number,
    gradient: number,
    velocity: number,
    learningRate: number,
    momentum: number,
    nesterov: number,
    weightDecay: number,
    gradientScale: number,
    copy: number,
    count: number,
  ): number;
  adamStep(
    weights: number,
    gradient: number,
    firstMoment: number,
    secondMoment: number,
    beta1: number,
    oneMinusBeta1: number,
    beta2: number,
    oneMinusBeta2: number,
    rate: number,
    rootScale: number,
    epsilon: number,
    shrink: number,
    decay: number,
    gradientScale: number,
    copy: number,
    count: number,
  ): number;
}

/** Bytes at the start of a memory that belong to the kernels: nothing else may be kept there. */
export const KERNEL_RESERVED_BYTES = 2 * 1024 * 1024;

/** Where products may put blocks of widened operands, in those bytes: 448 KiB and 1.5 MiB. */
export const WIDE_LEFT = 0x10000;
export const WIDE_RIGHT = 0x80000;

/** Kernels over `memory`, which must be shared, allow 65536 pages and hold at least
 * `KERNEL_RESERVED_BYTES`. Several threads may share a memory, but only one of them may call
 * `gemm`, a loss, an optimizer or an activation in bfloat16 at a time: these work in the reserved
 * bytes. */
export function instantiateKernels(module: WasmModule, memory: WasmMemory): Kernels {
  const instance = new webAssembly.Instance(module, { env: { memory, abort } });
  return instance.exports as unknown as Kernels;
}

function abort(): never {
  throw new Error('a WebAssembly kernel aborted');
}
