import { elementBytes, type Matrix } from '../../tensor/tensor.js';
import type { Engine } from '../engine.js';
import { ForwardingEngine } from '../forwarding-engine.js';

/** Work between two calls, 1.5 ms of a core with a BLAS library; more where pieces would be too small. */
const PIECE_FLOPS = 128e6;
/** Inner size, rows and columns of the smallest pieces, near enough. A library copies both operands of each product
 * into its own order: of smaller pieces that takes part of the time, and oneDNN has slower kernels for them. The
 * largest piece is 1.5 times as long each way, 2.7 GFLOP. */
const SMALL_INNER = 384;
const SMALL_SIDE = 1024;
/** Pieces begin at multiples of these, which the register blocks of common kernels divide. */
const INNER_STEP = 32;
const SIDE_STEP = 48;

/**
 * The engine, with `between` called during large matrix products, which are made in pieces: of the inner
 * size before those of rows and columns. Pieces depend on shapes
 * alone, so bits do not depend on time. They are not always those of the whole product, so every rank of a
 * run works in pieces, whatever its transport.
 */
export function inPieces(engine: Engine, between: () => void): Engine {
  return new PiecesEngine(engine, between);
}

type Piece = { -readonly [Field in keyof Matrix]: Matrix[Field] };
const NOTHING: Matrix = { dtype: 'float32', byteOffset: 0, rows: 0, columns: 0, stride: 0 };

class PiecesEngine extends ForwardingEngine {
  readonly #between: () => void;
  readonly #a: Piece = { ...NOTHING };
  readonly #b: Piece = { ...NOTHING };
  readonly #c: Piece = { ...NOTHING };

  constructor(engine: Engine, between: () => void) {
    super(engine);
    this.#between = between;
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
    const { rows, columns } = c;
    const inner = transposeA ? a.rows : a.columns;
    let wanted = (2 * rows * columns * inner) / PIECE_FLOPS;
    if (wanted < 2) {
      super.gemm(transposeA, transposeB, alpha, a, b, beta, c);
      this.#between();
      return;
    }
    const depths = partsOf(inner, SMALL_INNER, wanted);
    wanted /= depths;
    const heights = partsOf(rows, SMALL_SIDE, wanted);
    const widths = partsOf(columns, SMALL_SIDE, wanted / heights);
    for (let i = 0; i < heights; i++) {
      const row = startOf(i, heights, rows, SIDE_STEP);
      const height = startOf(i + 1, heights, rows, SIDE_STEP) - row;
      for (let j = 0; j < widths; j++) {
        const column = startOf(j, widths, columns, SIDE_STEP);
        const width = startOf(j + 1, widths, columns, SIDE_STEP) - column;
        part(this.#c, c, row, column, height, width);
        for (let p = 0; p < depths; p++) {
          const from = startOf(p, depths, inner, INNER_STEP);
          const depth = startOf(p + 1, depths, inner, INNER_STEP) - from;
          if (transposeA) part(this.#a, a, from, row, depth, height);
          else part(this.#a, a, row, from, height, depth);
          if (transposeB) part(this.#b, b, column, from, width, depth);
          else part(this.#b, b, from, column, depth, width);
          const scale = p === 0 ? beta : 1;
          super.gemm(transposeA, transposeB, alpha, this.#a, this.#b, scale, this.#c);
          this.#between();
        }
      }
    }
  }
}

/** As many parts as wanted, but of about the smallest length at least. */
function partsOf(length: number, smallest: number, wanted: number): number {
  return Math.max(1, Math.min(Math.round(length / smallest), Math.ceil(wanted)));
}

/** Where a part begins, of equal ones but for the last. */
function startOf(index: number, parts: number, length: number, step: number): number {
  return index === parts ? length : step * Math.round((length * index) / (parts * step));
}

/** Makes `piece` a rectangle of a matrix. */
function part(
  piece: Piece,
  { dtype, byteOffset, stride }: Matrix,
  row: number,
  column: number,
  rows: number,
  columns: number,
): void {
  piece.dtype = dtype;
  piece.byteOffset = byteOffset + elementBytes(dtype) * (row * stride + column);
  piece.rows = rows;
  piece.columns = columns;
  piece.stride = stride;
}
