/**
 * Matrix products by shape and engine, and element-wise kernels by size.
 *
 *     node build/bench/kernels.js [--json] [--seconds 0.5]
 *
 * Rounds alternate between the engines and the best round counts, so that a busy machine slows
 * all of them alike. `--seconds` is the time for each line of the table. The floor of an
 * element-wise kernel is the time that its traffic takes at the rate of a copy of the same size.
 */
import { type ElementLossName, ELEMENT_LOSSES } from '#src/engines/element-losses.js';
import { parseArgs } from 'node:util';

import { NativeError, UnsupportedError } from '#src/base/errors.js';
import { createBlasEngine } from '#src/engines/blas/blas-engine.js';
import type { Engine } from '#src/engines/engine.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import { createWasmEngine } from '#src/engines/wasm/wasm-engine.js';
import { asMatrix, type Tensor } from '#src/tensor/tensor.js';

/** transposeA, transposeB, m, n, k: layers of width 1024 with 128 columns, and their ghosts. */
const PRODUCTS: readonly (readonly [boolean, boolean, number, number, number])[] = [
  [false, false, 1024, 1024, 1024],
  [false, false, 1024, 128, 1024],
  [false, true, 1024, 1024, 128],
  [true, false, 1024, 128, 1024],
  [false, false, 64, 128, 1024],
  [false, false, 1024, 128, 64],
  [false, true, 64, 1024, 128],
  [false, true, 1024, 64, 128],
  [true, false, 1024, 128, 64],
  [true, false, 64, 128, 1024],
  [false, false, 1024, 1, 1024],
];

/** In the second-level cache, and in memory. */
const COUNTS = [32_768, 4_194_304];
const ROUND_FLOPS = 5e6;
const ROUND_ELEMENTS = 65_536;

export interface ProductTiming {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly flopsPerS: Readonly<Record<string, number>>;
}

export interface ElementwiseTiming {
  readonly kernel: string;
  readonly elements: number;
  readonly nsPerElement: number;
  /** What the kernel reads and writes. */
  readonly bytesPerElement: number;
  readonly floorNsPerElement: number;
}

/** Measures and prints; see the head of this file for the arguments. */
export async function kernelsBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '0.5' },
    },
  });
  const budgetMs = 1000 * Number(values.seconds);
  const engines = await usableEngines();
  const products = measureProducts(engines, budgetMs);
  const elementwise = COUNTS.flatMap((count) => measureElementwise(count, budgetMs));
  if (values.json) {
    const descriptions = engines.map(({ name, description }) => ({ name, description }));
    console.log(JSON.stringify({ engines: descriptions, products, elementwise }, null, 2));
  } else {
    for (const { name, description } of engines) console.log(`${name}: ${description}`);
    printProducts(products);
    printElementwise(elementwise);
  }
}

async function usableEngines(): Promise<Engine[]> {
  const engines: Engine[] = [createWasmEngine()];
  const others: readonly (() => Promise<Engine>)[] = [
    async () => createWasmEngine({ relaxed: true }),
    () => createBlasEngine(),
    () => createCudaEngine(),
  ];
  for (const make of others) {
    try {
      engines.push(await make());
    } catch (error) {
      if (!(error instanceof NativeError || error instanceof UnsupportedError)) throw error;
      console.error(`left out: ${error.message}`);
    }
  }
  return engines;
}

function measureProducts(engines: readonly Engine[], budgetMs: number): ProductTiming[] {
  const largest = Math.max(...PRODUCTS.flatMap(([, , m, n, k]) => [m * n, n * k, m * k]));
  const operands = engines.map((engine) =>
    [0, 1, 2].map(() => {
      const tensor = engine.allocate([largest]);
      engine.toDevice(mixedNumbers(largest), tensor);
      return tensor;
    }),
  );
  return PRODUCTS.map(([transposeA, transposeB, m, n, k]) => {
    const flops = 2 * m * n * k;
    const runs = engines.map((engine, e) => {
      const [a, b, c] = operands[e] as [Tensor, Tensor, Tensor];
      const x = asMatrix({ ...a, shape: transposeA ? [k, m] : [m, k] });
      const y = asMatrix({ ...b, shape: transposeB ? [n, k] : [k, n] });
      const z = asMatrix({ ...c, shape: [m, n] });
      return () => engine.gemm(transposeA, transposeB, 1, x, y, 0, z);
    });
    const waits = engines.map((engine) => () => engine.synchronize());
    const times = bestTimesS(runs, Math.ceil(ROUND_FLOPS / flops), budgetMs, waits);
    const flopsPerS = Object.fromEntries(
      engines.map(({ name }, e) => [name, flops / (times[e] ?? Number.NaN)]),
    );
    return { transposeA, transposeB, m, n, k, flopsPerS };
  });
}

/** Name, bytes per element, call. */
type Kernel = readonly [string, number, () => void];

function elementwiseKernels(engine: Engine, count: number): Kernel[] {
  const rows = count / 128;
  const random = (): Tensor => {
    const tensor = engine.allocate([rows, 128]);
    engine.toDevice(mixedNumbers(count), tensor);
    return tensor;
  };
  const [a, b, c, d] = [random(), random(), random(), random()];
  // The optimizers have tensors of their own: values that other kernels leave may be subnormal, which
  // would be timed as well.
  const [weights, gradient, first, second] = [random(), random(), random(), random()];
  const updated = { weights, gradient, copy: null };
  const bare = [{ ...updated, states: [] }];
  const withVelocity = [{ ...updated, states: [first] }];
  const withMoments = [{ ...updated, states: [first, second] }];
  engine.fill(gradient, 0.01);
  engine.fill(second, 1e-4);
  // The bias stays zero: it is added to `a` in every call.
  const [bias, sums] = [engine.allocate([rows]), engine.allocate([rows])];
  const labels = engine.allocate([count / 16]);
  const logits = { ...a, shape: [16, count / 16] };
  const dLogits = { ...c, shape: [16, count / 16] };
  const slots = engine.slots(2);
  const sgd = { learningRate: 1e-6, momentum: 0.9, nesterov: false, weightDecay: 0 };
  const adam = { learningRate: 1e-6, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
  const plain = { ...sgd, gradientScale: 1 };
  const corrections = { biasCorrection1: 1, biasCorrection2: 1, decoupled: true };
  const corrected = { ...adam, ...corrections, gradientScale: 1 };
  return [
    ['copy', 8, () => engine.copy(a, b)],
    ['add', 12, () => engine.add(a, b, c)],
    ['axpy', 12, () => engine.axpy(1e-6, a, b)],
    ['scale', 8, () => engine.scale(1, a)],
    ['fill', 4, () => engine.fill(c, 1)],
    ['sum of squares', 4, () => engine.sumOfSquares(a, slots, 0)],
    ...(['relu', 'gelu', 'silu', 'tanh'] as const).flatMap((kind): Kernel[] => [
      [`bias + ${kind}`, 12, () => engine.biasActivation(kind, a, bias, b)],
      [
        `${kind} gradient, row sums`,
        12,
        () => engine.biasActivationGradient(kind, a, b, d, c, 0, sums),
      ],
    ]),
    ...(Object.keys(ELEMENT_LOSSES) as ElementLossName[]).map((name): Kernel => {
      const loss = { name, parameter: 0.5 };
      return [name, 12, () => engine.elementLoss(loss, a, d, null, c, 1, 128, slots, 0)];
    }),
    [
      'softmax cross-entropy, 16 classes',
      16,
      () => engine.softmaxCrossEntropy(logits, labels, null, 0, dLogits, 1, count / 16, slots, 0),
    ],
    ['sgd', 12, () => engine.sgdStep(bare, plain, slots, 0)],
    ['sgd with momentum', 20, () => engine.sgdStep(withVelocity, plain, slots, 0)],
    ['adamw', 28, () => engine.adamStep(withMoments, corrected, slots, 0)],
  ];
}

function measureElementwise(count: number, budgetMs: number): ElementwiseTiming[] {
  const kernels = elementwiseKernels(createWasmEngine(), count);
  const repeats = Math.max(1, Math.ceil(ROUND_ELEMENTS / count));
  let copyNsPerByte = Number.NaN;
  return kernels.map(([kernel, bytesPerElement, call]) => {
    const [timeS = Number.NaN] = bestTimesS([call], repeats, budgetMs);
    const nsPerElement = (timeS * 1e9) / count;
    if (kernel === 'copy') copyNsPerByte = nsPerElement / bytesPerElement;
    const floorNsPerElement = copyNsPerByte * bytesPerElement;
    return { kernel, elements: count, nsPerElement, bytesPerElement, floorNsPerElement };
  });
}

/** Seconds of one call of each, the best of the rounds that fit the budget. */
function bestTimesS(
  calls: readonly (() => void)[],
  repeats: number,
  budgetMs: number,
  waits: readonly (() => void)[] = [],
): number[] {
  const best = calls.map(() => Number.POSITIVE_INFINITY);
  const start = performance.now();
  for (let round = 0; round < 5 || performance.now() - start < budgetMs; round++) {
    for (const [i, call] of calls.entries()) {
      const before = performance.now();
      for (let repeat = 0; repeat < repeats; repeat++) call();
      waits[i]?.();
      best[i] = Math.min(best[i] ?? 0, (performance.now() - before) / 1000 / repeats);
    }
  }
  return best;
}

function printProducts(timings: readonly ProductTiming[]): void {
  const names = Object.keys(timings[0]?.flopsPerS ?? {});
  const against = names.includes('blas') ? names.filter((name) => name !== 'blas') : [];
  const ratios = against.map((name) => `${name} : blas`);
  console.log('\nmatrix product, GFLOP/s');
  console.log(''.padEnd(22) + [...names, ...ratios].map((name) => name.padStart(20)).join(''));
  for (const { transposeA, transposeB, m, n, k, flopsPerS } of timings) {
    const rate = (name: string): number => flopsPerS[name] ?? Number.NaN;
    const cells = [
      ...names.map((name) => (rate(name) / 1e9).toFixed(1)),
      ...against.map((name) => (rate(name) / rate('blas')).toFixed(2)),
    ];
    const label = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'} ${m} × ${n} × ${k}`;
    console.log(label.padEnd(22) + cells.map((cell) => cell.padStart(20)).join(''));
  }
}

function printElementwise(timings: readonly ElementwiseTiming[]): void {
  for (const elements of new Set(timings.map((timing) => timing.elements))) {
    console.log(`\n${elements} elements`.padEnd(38) + 'ns/element     floor    : floor');
    for (const { kernel, nsPerElement, floorNsPerElement } of timings.filter(
      (timing) => timing.elements === elements,
    )) {
      const cells = [nsPerElement, floorNsPerElement, nsPerElement / floorNsPerElement];
      console.log(kernel.padEnd(37) + cells.map((cell) => cell.toFixed(2).padStart(10)).join(''));
    }
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  await kernelsBench(process.argv.slice(2));
}

function mixedNumbers(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => ((i * 37) % 101) / 101 - 0.5);
}
