import {
  CBLAS_NO_TRANSPOSE,
  CBLAS_ROW_MAJOR,
  CBLAS_TRANSPOSE,
  openBlas,
} from '../../native/blas.js';
import type { Blas } from '../../native/blas.js';
import { addressOf } from '../../native/library.js';
import type { Matrix } from '../../tensor/tensor.js';
import type { Engine } from '../engine.js';
import { ForwardingEngine } from '../forwarding-engine.js';
import { createWasmEngine } from '../wasm/wasm-engine.js';
import type { WasmEngineOptions } from '../wasm/wasm-engine.js';

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
  return new BlasEngine(`${blas.description}, 1 thread`, blas, base, kernels);
}

class BlasEngine extends ForwardingEngine {
  readonly #description: string;
  readonly #sgemm: Blas['sgemm'];
  readonly #sgemv: Blas['sgemv'];
  readonly #base: number;

  constructor(description: string, blas: Blas, base: number, kernels: Engine) {
    super(kernels);
    this.#description = description;
    this.#sgemm = blas.sgemm;
    this.#sgemv = blas.sgemv;
    this.#base = base;
  }

  override get name(): string {
    return 'blas';
  }
  override get description(): string {
    return this.#description;
  }

  override gemm(
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
      super.gemm(transposeA, transposeB, alpha, a, b, beta, c);
      return;
    }
    if (c.columns === 1) {
      // One sample: a matrix product would copy all of `a` first.
      this.#sgemv(
        CBLAS_ROW_MAJOR,
        transposeA ? CBLAS_TRANSPOSE : CBLAS_NO_TRANSPOSE,
        a.rows,
        a.columns,
        alpha,
        this.#base + a.byteOffset,
        a.stride,
        this.#base + b.byteOffset,
        transposeB ? 1 : b.stride,
        beta,
        this.#base + c.byteOffset,
        c.stride,
      );
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
}
