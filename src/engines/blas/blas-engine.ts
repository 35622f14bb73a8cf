import {
  CBLAS_NO_TRANSPOSE,
  CBLAS_ROW_MAJOR,
  CBLAS_TRANSPOSE,
  openBlas,
} from '../../native/blas.js';
import type { Sgemm } from '../../native/blas.js';
import { addressOf } from '../../native/library.js';
import type { Matrix, Tensor } from '../../tensor/tensor.js';
import type { Activation, AdamStep, CrossEntropyResult, Engine, SgdStep } from '../engine.js';
import { createWasmEngine } from '../wasm/wasm-engine.js';
import type { WasmEngine, WasmEngineOptions } from '../wasm/wasm-engine.js';

export interface BlasEngineOptions extends WasmEngineOptions {
  /** Path or loader name of a CBLAS library; else PHANTOM_BLAS, else what the system has. */
  readonly library?: string;
}

/** An engine that multiplies matrices with a native BLAS, one thread a rank, and does all else
 * with the WebAssembly kernels, on the same memory.
 * @throws NativeError when no library can be used, with the reasons and the remedy */
export async function createBlasEngine(options: BlasEngineOptions = {}): Promise<Engine> {
  const blas = await openBlas(options.library);
  const kernels = createWasmEngine(options);
  // The memory grows, but never moves: its address is good for the life of the engine.
  const base = await addressOf(kernels.memory.buffer);
  return new BlasEngine(`${blas.description}, 1 thread`, blas.sgemm, base, kernels);
}

class BlasEngine implements Engine {
  readonly name = 'blas';
  readonly description: string;
  readonly #sgemm: Sgemm;
  readonly #base: number;
  readonly #kernels: WasmEngine;

  constructor(description: string, sgemm: Sgemm, base: number, kernels: WasmEngine) {
    this.description = description;
    this.#sgemm = sgemm;
    this.#base = base;
    this.#kernels = kernels;
  }

  get allocatedBytes(): number {
    return this.#kernels.allocatedBytes;
  }
  get capacityBytes(): number {
    return this.#kernels.capacityBytes;
  }
  allocate(shape: readonly number[]): Tensor {
    return this.#kernels.allocate(shape);
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
    const inner = transposeA ? a.rows : a.columns;
    if (inner === 0 || c.rows === 0 || c.columns === 0) {
      // Libraries differ in what they take for an error here.
      this.#kernels.gemm(transposeA, transposeB, alpha, a, b, beta, c);
      return;
    }
    this.#sgemm(
      CBLAS_ROW_MAJOR,
      transposeA ? CBLAS_TRANSPOSE : CBLAS_NO_TRANSPOSE,
      transposeB ? CBLAS_TRANSPOSE : CBLAS_NO_TRANSPOSE,
      c.rows,
      c.columns,
      inner,
      alpha,
      this.#base + a.byteOffset,
      a.stride,
      this.#base + b.byteOffset,
      b.stride,
      beta,
      this.#base + c.byteOffset,
      c.stride,
    );
  }

  biasActivation(activation: Activation, z: Tensor, bias: Tensor | null, out: Tensor): void {
    this.#kernels.biasActivation(activation, z, bias, out);
  }
  biasActivationGradient(
    activation: Activation,
    z: Tensor,
    out: Tensor,
    dOut: Tensor,
    dz: Tensor,
    betaBias: number,
    dBias: Tensor | null,
  ): void {
    this.#kernels.biasActivationGradient(activation, z, out, dOut, dz, betaBias, dBias);
  }
  add(a: Tensor, b: Tensor, out: Tensor): void {
    this.#kernels.add(a, b, out);
  }
  axpy(alpha: number, x: Tensor, y: Tensor): void {
    this.#kernels.axpy(alpha, x, y);
  }
  scale(alpha: number, x: Tensor): void {
    this.#kernels.scale(alpha, x);
  }
  fill(x: Tensor, value: number): void {
    this.#kernels.fill(x, value);
  }
  copy(from: Tensor, to: Tensor): void {
    this.#kernels.copy(from, to);
  }
  sumOfSquares(x: Tensor): number {
    return this.#kernels.sumOfSquares(x);
  }
  squaredError(
    z: Tensor,
    target: Tensor,
    dz: Tensor,
    gradientScale: number,
    validColumns: number,
  ): number {
    return this.#kernels.squaredError(z, target, dz, gradientScale, validColumns);
  }
  softmaxCrossEntropy(
    logits: Tensor,
    labels: Tensor,
    dLogits: Tensor,
    gradientScale: number,
    validColumns: number,
    result: CrossEntropyResult,
  ): void {
    const kernels = this.#kernels;
    kernels.softmaxCrossEntropy(logits, labels, dLogits, gradientScale, validColumns, result);
  }
  sgdStep(weights: Tensor, gradient: Tensor, velocity: Tensor | null, step: SgdStep): number {
    return this.#kernels.sgdStep(weights, gradient, velocity, step);
  }
  adamStep(
    weights: Tensor,
    gradient: Tensor,
    firstMoment: Tensor,
    secondMoment: Tensor,
    step: AdamStep,
  ): number {
    return this.#kernels.adamStep(weights, gradient, firstMoment, secondMoment, step);
  }
  synchronize(): void {
    // Every call has finished when it returns.
  }
}
