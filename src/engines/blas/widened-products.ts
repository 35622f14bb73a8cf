import type { Blas } from '../../native/blas.js';
import type { Matrix } from '../../tensor/tensor.js';
import { WIDE_LEFT, WIDE_RIGHT } from '../wasm/kernels.js';
import type { WasmEngine } from '../wasm/wasm-engine.js';

/** Most rows, columns and inner elements that are widened at a time: what fits the kernels' memory for
 * it, and stays in the second-level cache. */
const ROWS = 192;
const COLUMNS = 512;
const INNER = 512;

/**
 * Products of bfloat16 matrices by a library that has only float32 ones: blocks of the operands are
 * widened, and multiplied while they are in the cache. An element's sum is in pieces of the inner size,
 * which shapes alone decide.
 */
export class WidenedProducts {
  readonly #kernels: WasmEngine;
  readonly #gemm: Blas['gemm'];
  readonly #base: number;

  /** @param base address of the kernels' memory */
  constructor(kernels: WasmEngine, gemm: Blas['gemm'], base: number) {
    this.#kernels = kernels;
    this.#gemm = gemm;
    this.#base = base;
  }

  /** As `Engine.gemm`, of sizes above zero. */
  multiply(
    transposeA: boolean,
    transposeB: boolean,
    alpha: number,
    a: Matrix,
    b: Matrix,
    beta: number,
    c: Matrix,
  ): void {
    const inner = transposeA ? a.rows : a.columns;
    const left = this.#base + WIDE_LEFT;
    const right = this.#base + WIDE_RIGHT;
    for (let j = 0; j < c.columns; j += COLUMNS) {
      const columns = Math.min(COLUMNS, c.columns - j);
      for (let p = 0; p < inner; p += INNER) {
        const depth = Math.min(INNER, inner - p);
        if (transposeB) this.#widen(b, j, columns, p, depth, WIDE_RIGHT);
        else this.#widen(b, p, depth, j, columns, WIDE_RIGHT);
        for (let i = 0; i < c.rows; i += ROWS) {
          const rows = Math.min(ROWS, c.rows - i);
          if (transposeA) this.#widen(a, p, depth, i, rows, WIDE_LEFT);
          else this.#widen(a, i, rows, p, depth, WIDE_LEFT);
          this.#gemm(
            transposeA,
            transposeB,
            rows,
            columns,
            depth,
            alpha,
            left,
            transposeA ? rows : depth,
            right,
            transposeB ? depth : columns,
            p === 0 ? beta : 1,
            this.#base + c.byteOffset + 4 * (i * c.stride + j),
            c.stride,
          );
        }
      }
    }
  }

  /** Copies a rectangle of a matrix to an address in float32, without gaps. */
  #widen(
    { byteOffset, stride }: Matrix,
    row: number,
    rows: number,
    column: number,
    columns: number,
    to: number,
  ): void {
    this.#kernels.widen(byteOffset + 2 * (row * stride + column), stride, rows, columns, to);
  }
}
