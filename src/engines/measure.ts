import { asMatrix, bytesOf, matrixColumns, matrixRows } from '../tensor/tensor.js';
import type { Dtype, Matrix } from '../tensor/tensor.js';
import type { Engine } from './engine.js';

const SIZE = 384;
const MEASURE_MS = 16;
const FEWEST = 2;
// Small products first: WebAssembly starts as slow code, and is compiled again while it runs.
const WARM_UP_SIZE = 96;
const WARM_UP_MS = 8;

/** The rate of the engine's matrix products: the best of a few of 384 × 384 × 384, in about
 * 25 ms. Takes 1.7 MiB of the engine's memory for good.
 *
 * @param dtype of the operands; the result is float32 */
export function measureEngine(
  engine: Engine,
  dtype: Dtype = 'float32',
): { readonly flopsPerS: number } {
  const c = engine.allocate([SIZE, SIZE]);
  const operand = (value: number): Matrix => {
    const tensor = engine.allocate([SIZE, SIZE], dtype);
    const isHalf = tensor.dtype === 'bfloat16';
    engine.fill(isHalf ? c : tensor, value);
    if (isHalf) engine.encodeRows('bfloat16', c, bytesOf(tensor));
    return asMatrix(tensor);
  };
  const whole = { a: operand(0.5), b: operand(0.25), c: asMatrix(c) };
  const corners = { a: corner(whole.a), b: corner(whole.b), c: corner(whole.c) };
  bestMs(engine, corners, WARM_UP_MS);
  return { flopsPerS: (2 * SIZE ** 3) / (bestMs(engine, whole, MEASURE_MS) / 1000) };
}

function corner(matrix: Matrix): Matrix {
  return matrixColumns(matrixRows(matrix, 0, WARM_UP_SIZE), 0, WARM_UP_SIZE);
}

type Operands = Readonly<Record<'a' | 'b' | 'c', Matrix>>;

function bestMs(engine: Engine, { a, b, c }: Operands, budgetMs: number): number {
  let best = Infinity;
  const start = performance.now();
  for (let run = 0; run < FEWEST || performance.now() - start < budgetMs; run++) {
    const before = performance.now();
    engine.gemm(false, false, 1, a, b, 0, c);
    engine.synchronize();
    best = Math.min(best, performance.now() - before);
  }
  return best;
}
