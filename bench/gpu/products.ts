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
const GROUPS = 3;
const GROUP_MS = { real: 8, rehearsal: 1 } as const;
/** The engine puts calls off: so often it hands them to the device, which works while more come. */
const SUBMIT_EVERY = 16;
const TILE = 2 ** 20;
/** What is compared of a product: so many stretches of its numbers, the last of which ends with it. */
const [STRETCHES, STRETCH] = [16, 4096];
/** Largest difference of two results by √inner: a number of a result is about that, as operands are of a normal
 * distribution. Sums in another order; TF32 may also round operands one way or the other. Operands rounded to TF32
 * make about 1e-3, to bfloat16 about 8e-3. */
const LIMITS: Readonly<Record<string, number>> = { float32: 3e-5, tf32: 3e-3, bfloat16: 3e-4 };

/** Engine, random numbers and format of a way to compute. */
interface Side {
  readonly compute: string;
  readonly engine: Engine;
  readonly dtype: 'float32' | 'bfloat16';
  readonly tile: Tensor;
}

export async function productsPart(check: Check): Promise<void> {
  const kind = check.rehearse ? 'rehearsal' : 'real';
  const driver = await openCudaDriver();
  const sides: Side[] = [];
  // Engines open the device first, so that all have one context.
  for (const compute of COMPUTES) sides.push(await openSide(compute));
  const device = new Device(driver, { devices: null, localRank: 0 });
  const cublas = await CublasProducts.open(await openCublasLt(device.driverMajor), device);
  try {
    for (const size of SIZES[kind]) {
      for (const form of FORMS) {
        // Formats take turns: where time runs out, all have been measured alike.
        for (const side of sides) {
          const what = { part: 'products', compute: side.compute, form, ...size };
          await measured(check, what, async () =>
            compared({ side, cublas, device }, form, size, GROUP_MS[kind]),
          );
        }
      }
    }
  } finally {
    cublas.close();
    device.close();
    for (const { engine } of sides) engine.close();
  }
}

async function openSide(compute: string): Promise<Side> {
  const plain = { strategy: 'tensor', width: 8, depth: 1, blocks: 1, ghosts: 0 } as const;
  const network = { ...plain, activation: 'relu', ends: { kind: 'sharded' } } as const;
  const variant = { compute, graphs: GRAPHS.includes(true) };
  const { specification, engineOptions } = withVariant(network, variant);
  const dtype = specification.compute === 'bfloat16' ? 'bfloat16' : 'float32';
  const engine = await createEngine('cuda', engineOptions);
  return { compute, engine, dtype, tile: randomTile(engine) };
}

/** Rates of a product by the engine and by the best algorithm, once both results are alike. */
function compared(
  { side, cublas, device }: { side: Side; cublas: CublasProducts; device: Device },
  form: ProductForm,
  { rows, inner, columns }: (typeof SIZES)['real' | 'rehearsal'][number],
  groupMs: number,
): Readonly<Record<string, unknown>> {
  const { engine, compute, dtype, tile } = side;
  const operand = (shape: readonly number[]) => filled(engine, tile, shape, dtype);
  const a = operand(form === 'TN' ? [inner, rows] : [rows, inner]);
  const b = operand(form === 'NT' ? [columns, inner] : [inner, columns]);
  const c = engine.allocate([rows, columns]);
  const [left, right, out] = [asMatrix(a), asMatrix(b), asMatrix(c)];
  // 256 bytes, as cuBLASLt is promised of the addresses of all operands, which follow.
  const [zeros, submits] = [new Float32Array(64), engine.allocate([64])];
  let calls = 0;
  const own = () => {
    engine.gemm(form === 'TN', form === 'NT', 1, left, right, 0, out);
    if (++calls % SUBMIT_EVERY === 0) engine.toDevice(zeros, submits);
  };
  const rate = (call: () => void, wait: () => void) =>
    (2 * rows * inner * columns) / callSeconds(call, wait, groupMs);
  engine.synchronize();
  const flopsPerS = rate(own, () => engine.synchronize());
  const mine = sampleOf(engine, c);
  engine.fill(c, 0);
  engine.synchronize();
  const algorithms = cublas.algorithms(form, compute, left, right, out);
  algorithms[0]?.();
  device.synchronize();
  const difference = largestDifference(mine, sampleOf(engine, c)) / Math.sqrt(inner);
  const limit = LIMITS[compute] ?? 0;
  if (!(difference < limit)) {
    throw new Error(`products differ by ${difference} · √inner, at most ${limit}`);
  }
  const rates = algorithms.map((call) => rate(call, () => device.synchronize()));
  const best = Math.max(...rates);
  const share = flopsPerS / best;
  // In the order in which they are proposed: the first is what the library itself would take.
  return { flopsPerS, cublasFlopsPerS: best, algorithmFlopsPerS: rates, share, difference };
}

/** Stretches of a product's numbers from its first to its last. */
function sampleOf(engine: Engine, product: Tensor): Float32Array {
  const length = Math.min(STRETCH, product.length);
  const sample = new Float32Array(STRETCHES * length);
  for (let i = 0; i < STRETCHES; i++) {
    const at = Math.floor((i * (product.length - length)) / (STRETCHES - 1));
    sample.set(engine.toHost(tensorPart(product, at, [length])), i * length);
  }
  return sample;
}

function largestDifference(one: Float32Array, other: Float32Array): number {
  return one.reduce((most, value, i) => Math.max(most, Math.abs(value - (other[i] ?? NaN))), 0);
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
  // The engine makes a graph of what comes for the second time.
  group(calls);
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
