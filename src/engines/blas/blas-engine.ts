import { openBlas } from '../../native/blas.js';
import type { Blas } from '../../native/blas.js';
import { addressOf, largePageAdviser } from '../../native/library.js';
import { PAGE_BYTES } from '../../base/web-assembly.js';
import {
  type AnyTensor,
  type Dtype,
  elementBytes,
  type Matrix,
  operandDtype,
  type Tensor,
} from '../../tensor/tensor.js';
import type { Engine, HalfProducts } from '../engine.js';
import { ForwardingEngine } from '../forwarding-engine.js';
import { createWasmEngine } from '../wasm/wasm-engine.js';
import type { WasmEngine, WasmEngineOptions } from '../wasm/wasm-engine.js';
import { WidenedProducts } from './widened-products.js';

export { type BlasProbe, probeBlas } from '../../native/blas.js';
export { KOFFI_PACKAGE, koffiInstalled } from '../../native/library.js';

/** How the BLAS engine is made. */
export interface BlasEngineOptions extends WasmEngineOptions {
  /** Path or loader name of a BLAS library; else PHANTOM_BLAS, else what the system has. */
  readonly library?: string;
}

/** Tensors of so many bytes get large pages: those that no cache of one core holds. */
const LARGE_BYTES = 1 << 20;

/** An engine that multiplies matrices with a native BLAS, one thread a rank, and does all else
 * with the WebAssembly kernels, on the same memory. Where the library has no bfloat16 products for
 * this processor, operands are widened block by block.
 * @throws NativeError when no library can be used, with the reasons and the remedy */
export async function createBlasEngine(options: BlasEngineOptions = {}): Promise<Engine> {
  const blas = await openBlas(options.library);
  const kernels = createWasmEngine(options);
  // The memory grows, but never moves: its address is good for the life of the engine.
  const base = await addressOf(kernels.memory.buffer);
  return new BlasEngine(blas, kernels, { base, useLargePages: await largePageAdviser() });
}

/** Where the kernels' memory lies, and what asks for large pages there. */
interface NativeMemory {
  readonly base: number;
  readonly useLargePages: (address: number, bytes: number) => void;
}

class BlasEngine extends ForwardingEngine {
  readonly #description: string;
  readonly #gemm: Blas['gemm'];
  readonly #gemv: Blas['gemv'];
  readonly #half: Blas['half'];
  readonly #base: number;
  readonly #widened: WidenedProducts;
  readonly #useLargePages: NativeMemory['useLargePages'];

  constructor(blas: Blas, kernels: WasmEngine, { base, useLargePages }: NativeMemory) {
    super(kernels);
    this.#description = blas.description;
    this.#useLargePages = useLargePages;
    this.#gemm = blas.gemm;
    this.#gemv = blas.gemv;
    this.#half = blas.half;
    this.#base = base;
    this.#widened = new WidenedProducts(kernels, blas.gemm, base);
  }

  override get name(): string {
    return 'blas';
  }
  override get description(): string {
    return this.#description;
  }

  override get halfProducts(): HalfProducts {
    if (this.#half === null) return super.halfProducts;
    return this.#half.native ? 'native' : 'emulated';
  }

  override allocate(shape: readonly number[]): Tensor;
  override allocate(shape: readonly number[], dtype: 'bfloat16'): Tensor<'bfloat16'>;
  override allocate(shape: readonly number[], dtype: Dtype): AnyTensor;
  override allocate(shape: readonly number[], dtype: Dtype = 'float32'): AnyTensor {
    const tensor = super.allocate(shape, dtype);
    const bytes = elementBytes(dtype) * tensor.length;
    if (bytes < LARGE_BYTES) return tensor;
    // Whole pages, of neighbors too, so that a large page may hold the end of one and the start of the next.
    const first = Math.floor(tensor.byteOffset / PAGE_BYTES) * PAGE_BYTES;
    const end = Math.ceil((tensor.byteOffset + bytes) / PAGE_BYTES) * PAGE_BYTES;
    this.#useLargePages(this.#base + first, end - first);
    return tensor;
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
    const isHalf = operandDtype(a, b) === 'bfloat16';
    if (inner === 0 || c.rows === 0 || c.columns === 0) {
      // Libraries differ in what they take for an error where there is nothing to multiply.
      super.gemm(transposeA, transposeB, alpha, a, b, beta, c);
      return;
    }
    if (isHalf && this.#half === null) {
      this.#widened.multiply(transposeA, transposeB, alpha, a, b, beta, c);
      return;
    }
    const base = this.#base;
    const [atA, atB, atC] = [base + a.byteOffset, base + b.byteOffset, base + c.byteOffset];
    if (!isHalf && c.columns === 1 && this.#gemv !== null) {
      // One sample: a matrix product would copy all of `a` first.
      const step = transposeB ? 1 : b.stride;
      this.#gemv(
        transposeA,
        a.rows,
        a.columns,
        alpha,
        atA,
        a.stride,
        atB,
        step,
        beta,
        atC,
        c.stride,
      );
      return;
    }
    const { rows, columns } = c;
    const gemm = isHalf && this.#half !== null ? this.#half.gemm : this.#gemm;
    gemm(
      transposeA,
      transposeB,
      rows,
      columns,
      inner,
      alpha,
      atA,
      a.stride,
      atB,
      b.stride,
      beta,
      atC,
      c.stride,
    );
  }
}
