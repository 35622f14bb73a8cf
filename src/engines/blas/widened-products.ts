import type { Blas } from '../../native/blas.js';
import { type Matrix, matrixColumns, matrixRows } from '../../tensor/tensor.js';
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
    const [left, right] = [this.#base + WIDE_LEFT, this.#base + WIDE_RIGHT];
    for (let j = 0; j < c.columns; j += COLUMNS) {
      const columns = Math.min(COLUMNS, c.columns - j);
      for (let p = 0; p < inner; p += INNER) {
        const depth = Math.min(INNER, inner - p);
        const partB = transposeB ? part(b, j, columns, p, depth) : part(b, p, depth, j, columns);
        this.#kernels.widen(partB, WIDE_RIGHT);
        for (let i = 0; i < c.rows; i += ROWS) {
          const rows = Math.min(ROWS, c.rows - i);
          const partA = transposeA ? part(a, p, depth, i, rows) : part(a, i, rows, p, depth);
          this.#kernels.widen(partA, WIDE_LEFT);
          const to = part(c, i, rows, j, columns).byteOffset + this.#base;
          const kept = p === 0 ? beta : 1;
          const [strideA, strideB] = [partA.columns, partB.columns];
          this.#gemm(
            transposeA,
            transposeB,
            rows,
            columns,
            depth,
            alpha,
            left,
            strideA,
            right,
            strideB,
            kept,
            to,
            c.stride,
          );
        }
      }
    }
  }
}

function part(of: Matrix, row: number, rows: number, column: number, columns: number): Matrix {
  return matrixColumns(matrixRows(of, row, rows), column, columns);
}
