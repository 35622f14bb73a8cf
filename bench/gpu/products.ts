// Rates of matrix products: the engine's, each with the algorithm fixed by its shape, and the best of those that
// cuBLASLt itself proposes for the same product, called without the engine.
import { createEngine } from '#src/app/ranks/engines.js';
import type { Engine } from '#src/engines/engine.js';
import { Device } from '#src/engines/cuda/device.js';
import { openCublasLt } from '#src/native/cublas-lt.js';
import { openCudaDriver } from '#src/native/cuda.js';
import { randomStream } from '#src/tensor/random.js';
import { type AnyTensor, asMatrix, bytesOf, type Tensor, tensorPart } from '#src/tensor/tensor.js';
import { CublasProducts, type ProductForm } from './cublas-products.js';
import { type Check, measured, median } from './check.js';
import { repeat } from './device-step.js';
import { COMPUTES, GRAPHS, withVariant } from './variants.js';

/** Sizes of the rows and columns of a weight matrix, and of a batch. */
const SIZES = {
  real: [
    { rows: 4096, inner: 4096, columns: 128 },
    { rows: 4096, inner: 4096, columns: 4096 },
    { rows: 16_384, inner: 16_384, columns: 128 },
    { rows: 2048, inner: 2048, columns: 128 },
    { rows: 2048, inner: 448, columns: 128 },
  ],
  rehearsal: [{ rows: 64, inner: 32, columns: 8 }],
} as const;
const FORMS: readonly ProductForm[] = ['NN', 'NT', 'TN'];
/** What one rate takes: groups of calls, each waited for. */
const GROUPS = 7;
const GROUP_MS = { real: 15, rehearsal: 1 } as const;
const TILE = 2 ** 20;
/** Numbers of a product that are compared. */
const COMPARED = 65_536;

export async function productsPart(check: Check): Promise<void> {
  const kind = check.rehearse ? 'rehearsal' : 'real';
  const driver = await openCudaDriver();
  for (const compute of COMPUTES) {
    const plain = { strategy: 'tensor', width: 8, depth: 1, blocks: 1, ghosts: 0 } as const;
    const network = { ...plain, activation: 'relu', ends: { kind: 'sharded' } } as const;
    const variant = { compute, graphs: GRAPHS.includes(true) };
    const { specification, engineOptions } = withVariant(network, variant);
    const dtype = specification.compute === 'bfloat16' ? 'bfloat16' : 'float32';
    // One engine for all: it is made for long. It opens the device first, so that both have one context.
    const engine = await createEngine('cuda', engineOptions);
    const device = new Device(driver, { devices: null, localRank: 0 });
    try {
      const tile = randomTile(engine);
      const library = await openCublasLt(device.driverMajor);
      for (const { rows, inner, columns } of SIZES[kind]) {
        for (const form of FORMS) {
          const what = { part: 'products', compute, form, rows, inner, columns };
          await measured(check, what, async () => {
            const operand = (shape: readonly number[]) => filled(engine, tile, shape, dtype);
            const a = operand(form === 'TN' ? [inner, rows] : [rows, inner]);
            const b = operand(form === 'NT' ? [columns, inner] : [inner, columns]);
            const c = engine.allocate([rows, columns]);
            const [left, right, out] = [asMatrix(a), asMatrix(b), asMatrix(c)];
            const some = tensorPart(c, 0, [Math.min(c.length, COMPARED)]);
            engine.synchronize();
            const rate = (call: () => void, wait: () => void) =>
              (2 * rows * inner * columns) / callSeconds(call, wait, GROUP_MS[kind]);
            const flopsPerS = rate(
              () => engine.gemm(form === 'TN', form === 'NT', 1, left, right, 0, out),
              () => engine.synchronize(),
            );
            const own = engine.toHost(some);
            engine.fill(c, 0);
            engine.synchronize();
            const cublas = await CublasProducts.open(library, device);
            try {
              const calls = cublas.algorithms(form, compute, left, right, out);
              calls[0]?.();
              device.synchronize();
              checkAlike(own, engine.toHost(some), inner);
              const rates = calls.map((call) => rate(call, () => device.synchronize()));
              const best = Math.max(...rates);
              const algorithms = rates.length;
              return { flopsPerS, cublasFlopsPerS: best, algorithms, share: flopsPerS / best };
            } finally {
              cublas.close();
            }
          });
        }
      }
    } finally {
      device.close();
      engine.close();
    }
  }
}

/** @throws Error where two results differ by more than operands rounded to bfloat16 explain */
function checkAlike(own: Float32Array, other: Float32Array, inner: number): void {
  const differences = own.map((value, i) => Math.abs(value - (other[i] ?? Number.NaN)));
  const most = differences.reduce((a, b) => Math.max(a, b), 0);
  // Operands are of a normal distribution: a number of the result is about √inner.
  if (!(most < 0.05 * Math.sqrt(inner))) throw new Error(`products differ by ${most}`);
}

/** The median seconds of a call, of groups of calls. */
function callSeconds(call: () => void, wait: () => void, groupMs: number): number {
  const group = (calls: number) => {
    const begun = performance.now();
    for (let i = 0; i < calls; i++) call();
    wait();
    return (performance.now() - begun) / calls;
  };
  group(1);
  const calls = Math.max(1, Math.min(2000, Math.ceil(groupMs / group(3))));
  return median(Array.from({ length: GROUPS }, () => group(calls))) / 1000;
}

function randomTile(engine: Engine): Tensor {
  const numbers = new Float32Array(TILE);
  randomStream(0, 'tile').fillNormal(numbers, 0);
  const tile = engine.allocate([TILE]);
  engine.toDevice(numbers, tile);
  return tile;
}

function filled(
  engine: Engine,
  tile: Tensor,
  shape: readonly number[],
  dtype: 'float32' | 'bfloat16',
): AnyTensor {
  const full = engine.allocate(shape);
  repeat(engine, tile, full);
  if (dtype === 'float32') return full;
  const half = engine.allocate(shape, 'bfloat16');
  engine.encodeRows('bfloat16', full, bytesOf(half));
  return half;
}
