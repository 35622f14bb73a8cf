import { asMatrix, bytesOf, matrixColumns, matrixRows } from '../tensor/tensor.js';
import type { Dtype, Matrix } from '../tensor/tensor.js';
import type { Engine } from './engine.js';

const SIZE = 384;
const MEASURE_MS = 16;
const FEWEST = 2;
// Small products first: WebAssembly starts as slow code, and is compiled again while it runs.
const WARM_UP_SIZE = 96;
const WARM_UP_MS = 8;

/** Of products on an asynchronous engine: a device with many cores is idle in small ones. */
const DEVICE_SIZES = [128, 256, 512, 1024, 2048, 4096];
/** Products that are waited for together: waiting, and each first call, take longer than a small product. */
const QUEUED = 8;
/** Larger products than those that take so long in a queue are not tried. */
const QUEUE_MS = 8;
/** Of an asynchronous engine's free memory, that the operands take at most. */
const MEMORY_SHARE = 1 / 32;

/** The rate of the engine's matrix products: the best of a few of 384 × 384 × 384, in about 25 ms, which take
 * 1.7 MiB of the engine's memory for good. On an asynchronous engine, of queues of 8 products up to 4096 ×
 * 4096 × 4096, as large as take a while, of at most a 32nd of the memory that it has left.
 *
 * @param dtype of the operands; the result is float32 */
export function measureEngine(
  engine: Engine,
  dtype: Dtype = 'float32',
): { readonly flopsPerS: number } {
  if (engine.asynchronous) return { flopsPerS: queuedRate(engine, dtype) };
  const whole = operands(engine, SIZE, dtype);
  bestMs(engine, corners(whole, WARM_UP_SIZE), WARM_UP_MS);
  return { flopsPerS: flopsPerS(SIZE, bestMs(engine, whole, MEASURE_MS)) };
}

function bestMs(engine: Engine, factors: Operands, budgetMs: number): number {
  let best = Infinity;
  const start = performance.now();
  for (let run = 0; run < FEWEST || performance.now() - start < budgetMs; run++) {
    best = Math.min(best, queueMs(engine, factors, 1));
  }
  return best;
}

/** Of so many products that are waited for together. */
function queueMs(engine: Engine, { a, b, c }: Operands, products: number): number {
  const before = performance.now();
  for (let i = 0; i < products; i++) engine.gemm(false, false, 1, a, b, 0, c);
  engine.synchronize();
  return performance.now() - before;
}

function queuedRate(engine: Engine, dtype: Dtype): number {
  const bytes = (engine.capacityBytes - engine.allocatedBytes) * MEMORY_SHARE;
  const sizes = DEVICE_SIZES.filter((size, i) => i === 0 || 12 * size ** 2 <= bytes);
  const whole = operands(engine, Math.max(...sizes), dtype);
  let best = 0;
  for (const size of sizes) {
    const factors = corners(whole, size);
    // The first one of a size also looks for its algorithm.
    queueMs(engine, factors, 1);
    let ms = queueMs(engine, factors, QUEUED);
    const isLast = ms >= QUEUE_MS || size === sizes.at(-1);
    const budgetMs = isLast ? MEASURE_MS : 0;
    for (let spent = ms; spent < budgetMs;) {
      const again = queueMs(engine, factors, QUEUED);
      spent += again;
      ms = Math.min(ms, again);
    }
    best = Math.max(best, flopsPerS(size, ms / QUEUED));
    if (isLast) break;
  }
  return best;
}

function flopsPerS(size: number, ms: number): number {
  return (2 * size ** 3) / (ms / 1000);
}

type Operands = Readonly<Record<'a' | 'b' | 'c', Matrix>>;

function operands(engine: Engine, size: number, dtype: Dtype): Operands {
  const c = engine.allocate([size, size]);
  const operand = (value: number): Matrix => {
    const tensor = engine.allocate([size, size], dtype);
    const isHalf = tensor.dtype === 'bfloat16';
    engine.fill(isHalf ? c : tensor, value);
    if (isHalf) engine.encodeRows('bfloat16', c, bytesOf(tensor));
    return asMatrix(tensor);
  };
  return { a: operand(0.5), b: operand(0.25), c: asMatrix(c) };
}

function corners({ a, b, c }: Operands, size: number): Operands {
  const corner = (matrix: Matrix) => matrixColumns(matrixRows(matrix, 0, size), 0, size);
  return { a: corner(a), b: corner(b), c: corner(c) };
}
