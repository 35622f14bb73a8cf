import { elementBytes, type Matrix } from '../../tensor/tensor.js';
import type { Engine } from '../engine.js';
import { ForwardingEngine } from '../forwarding-engine.js';

/** Work between two calls, a third of a millisecond to a millisecond of a core with a BLAS library. */
const PIECE_FLOPS = 64e6;
/** Rows of a piece are a multiple of this, which the register blocks of common kernels divide. */
const ROWS = 192;

/**
 * The engine, with `between` called a thousand times a second or more during matrix products: a large
 * one is made in pieces of its rows. Pieces depend on shapes alone, so bits do not depend on time. With
 * some libraries (oneDNN) they are not always those of the whole product, so every rank of a run works
 * in pieces, whatever its transport.
 */
export function inPieces(engine: Engine, between: () => void): Engine {
  return new PiecesEngine(engine, between);
}

type Piece = { -readonly [Field in keyof Matrix]: Matrix[Field] };
const NOTHING: Matrix = { dtype: 'float32', byteOffset: 0, rows: 0, columns: 0, stride: 0 };

class PiecesEngine extends ForwardingEngine {
  readonly #between: () => void;
  readonly #a: Piece = { ...NOTHING };
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
    const rowFlops = 2 * c.columns * (transposeA ? a.rows : a.columns);
    const rows = ROWS * Math.max(1, Math.round(PIECE_FLOPS / (ROWS * rowFlops)));
    // None where there is nothing to multiply: `rows` is infinite then.
    const pieces = Math.floor(c.rows / rows);
    if (pieces < 2) {
      super.gemm(transposeA, transposeB, alpha, a, b, beta, c);
      this.#between();
      return;
    }
    const [pieceA, pieceC] = [this.#a, this.#c];
    Object.assign(pieceA, a);
    Object.assign(pieceC, c);
    for (let piece = 1, from = 0; piece <= pieces; piece++, from += rows) {
      // The last takes what is left, so that none is tiny: libraries have other kernels for those.
      const count = piece < pieces ? rows : c.rows - from;
      pieceA[transposeA ? 'columns' : 'rows'] = count;
      pieceA.byteOffset = a.byteOffset + elementBytes(a.dtype) * from * (transposeA ? 1 : a.stride);
      pieceC.rows = count;
      pieceC.byteOffset = c.byteOffset + 4 * from * c.stride;
      super.gemm(transposeA, transposeB, alpha, pieceA, b, beta, pieceC);
      this.#between();
    }
  }
}
