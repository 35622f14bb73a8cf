import { type ElementLossName, ELEMENT_LOSSES } from '../engines/element-losses.js';
import { LOSSES } from '../layers/loss-names.js';
import type { PassKernel } from '../layers/operations.js';
import {
  PRODUCT_FORMS,
  type ProductForm,
  type ProductTable,
  type SizeTime,
} from '../machine/machine.js';
import { OPTIMIZER_NAMES, type OptimizerName, OPTIMIZERS } from '../optimizers/optimizer-list.js';
import { type Activation, ACTIVATION_NAMES } from '../engines/activations.js';
import type { DropoutMask, Engine, UpdateOperands } from '../engines/engine.js';
import { type EncodedPrecision, rowBytes } from '../tensor/precision.js';
import {
  type AnyTensor,
  asBytes,
  bytesOf,
  type Dtype,
  elementBytes,
  type Matrix,
  type Tensor,
  tensorPart,
} from '../tensor/tensor.js';
import { type CallClock, callSeconds, clockOf, rounded } from './clock.js';
import type { KernelSizes } from './sizes.js';

const PRODUCT_MS = 4;
const PASS_MS = 4;
/** A step goes over everything that a network of a few layers holds before it uses a weight again:
 * weights, gradients and moments. So calls take turns on so many times their operands, up to what
 * no cache holds (`KernelSizes.poolElements`). */
const TURNS = 64;

/** Operands of measurements, on an engine's memory: in float32, and of products and activations in the
 * format that is measured, which may be the same tensors. */
export interface Workplace {
  readonly engine: Engine;
  readonly sizes: KernelSizes;
  readonly clock: CallClock;
  readonly dtype: Dtype;
  readonly pool: Tensor;
  readonly out: Tensor;
  readonly weights: AnyTensor;
  readonly x: AnyTensor;
  readonly gradient: AnyTensor;
}

export function createWorkplace(engine: Engine, sizes: KernelSizes, dtype: Dtype): Workplace {
  const pool = engine.allocate([sizes.poolElements]);
  const largest = Math.max(...sizes.weights) * Math.max(...sizes.batches);
  const [x, out] = [engine.allocate([largest]), engine.allocate([largest])];
  // Zeros and subnormal numbers would not cost what numbers of a training do.
  engine.fill(pool, 0.01);
  engine.fill(x, 0.5);
  const operand = (tensor: Tensor): AnyTensor => {
    if (dtype === 'float32') return tensor;
    const copy = engine.allocate(tensor.shape, dtype);
    engine.encodeRows(dtype, tensor, bytesOf(copy));
    return copy;
  };
  const operands = { weights: operand(pool), x: operand(x), gradient: operand(out) };
  return { engine, sizes, clock: clockOf(engine), dtype, pool, out, ...operands };
}

/** How many of the weight sizes, from the smallest on, have products of the largest batch that take no longer than
 * that, and how many of the passes' sizes have losses that do; one at least. */
export function quickSizes(
  place: Workplace,
  mostMs: number,
): { readonly weights: number; readonly passes: number } {
  const { weights, batches, passes } = place.sizes;
  const batch = Math.max(...batches);
  return {
    weights: quick(weights, place.clock, mostMs, (size) =>
      product(place, 'NN', { first: size, second: size, batch }),
    ),
    // One that has much to do for an element.
    passes: quick(passes, place.clock, mostMs, (size) => elementPass(place, 'cross-entropy', size)),
  };
}

function quick(
  sizes: readonly number[],
  clock: CallClock,
  mostMs: number,
  callOf: (size: number) => (i: number) => void,
): number {
  const slow = sizes.findIndex((size) => {
    const call = callOf(size);
    for (const at of [0, 1]) {
      const before = performance.now();
      call(at);
      clock.wait();
      // The first one also looks for its algorithm.
      if (at === 1) return performance.now() - before > mostMs;
    }
    return false;
  });
  return slow < 0 ? sizes.length : Math.max(1, slow);
}

/** Keeps an engine at its largest product for a while, and looks after every one that is waited for. */
export function keepBusy(place: Workplace, seconds: number, look: () => void): void {
  const { weights, batches } = place.sizes;
  const [size, batch] = [Math.max(...weights), Math.max(...batches)];
  const call = product(place, 'NN', { first: size, second: size, batch });
  const begun = performance.now();
  for (let i = 0; performance.now() - begun < 1000 * seconds; i++) {
    call(i);
    place.clock.wait();
    look();
  }
}

/** Measures products of every form and size. @param progress takes the share that is done */
export function measureProducts(place: Workplace, progress: (share: number) => void): ProductTable {
  const { weights, batches } = place.sizes;
  const measure = (form: ProductForm): number[] => {
    const times: number[] = [];
    for (const [i, first] of weights.entries()) {
      progress((PRODUCT_FORMS.indexOf(form) + i / weights.length) / PRODUCT_FORMS.length);
      for (const second of weights) {
        for (const batch of batches) {
          const call = product(place, form, { first, second, batch });
          times.push(rounded(callSeconds(call, PRODUCT_MS, place.clock)));
        }
      }
    }
    return times;
  };
  return {
    first: weights,
    second: weights,
    batch: batches,
    seconds: { NN: measure('NN'), NT: measure('NT'), TN: measure('TN') },
  };
}

/** A product of one form and size on other weights in every call. */
function product(
  { engine, pool, out, weights: stored, x, gradient }: Workplace,
  form: ProductForm,
  {
    first,
    second,
    batch,
  }: { readonly first: number; readonly second: number; readonly batch: number },
): (i: number) => void {
  const weights = turns(pool.length, first * second, (element) => {
    const [rows, columns] = form === 'TN' ? [second, first] : [first, second];
    // Their gradients are float32.
    return matrix(form === 'NT' ? pool : stored, element, rows, columns);
  });
  const input = matrix(x, 0, second, batch);
  const output = matrix(out, 0, first, batch);
  const slope = matrix(gradient, 0, first, batch);
  return (i) => {
    const weight = weights[i % weights.length] as Matrix;
    if (form === 'NT') engine.gemm(false, true, 1, slope, input, 0, weight);
    else engine.gemm(form === 'TN', false, 1, weight, input, 0, output);
  };
}

/** Measures passes over memory by kernel and number of elements; in bfloat16 those alone that read or write
 * it, others being the same. */
export function measurePasses(
  place: Workplace,
  progress: (share: number) => void,
): Record<string, SizeTime[]> {
  const kernels = place.dtype === 'float32' ? passKernels() : halfPasses();
  place.engine.fill(place.pool, 0.01);
  return Object.fromEntries(
    kernels.map((kernel, i) => {
      progress(i / kernels.length);
      const times = place.sizes.passes.map((size) => ({
        size,
        seconds: rounded(callSeconds(elementPass(place, kernel, size), PASS_MS, place.clock)),
      }));
      return [kernel, times];
    }),
  );
}

function passKernels(): PassKernel[] {
  return [
    ...halfPasses(),
    'add',
    'fill',
    'copy',
    'axpy',
    'dropout',
    'multiply',
    'column dots',
    'scale columns',
    'add scaled columns',
    'inverse rms',
    'rms correction',
    ...LOSSES,
    'encode bfloat16',
    'decode bfloat16',
    'encode int8',
    'decode int8',
  ];
}

/** Passes that read or write what products take. */
function halfPasses(): PassKernel[] {
  return [
    ...ACTIVATION_NAMES.map((name): PassKernel => `activation ${name}`),
    ...ACTIVATION_NAMES.map((name): PassKernel => `activation gradient ${name}`),
    ...OPTIMIZER_NAMES,
  ];
}

const CONSTANTS = { momentum: 0.9, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
const DROPOUT: DropoutMask = {
  rate: 0.1,
  key: [1, 2],
  step: 3,
  layer: 4,
  firstRow: 0,
  firstColumn: 0,
};
const UPDATE_STEP = { step: 1000, learningRate: 1e-6, gradientScale: 1 };

/** One kernel on operands of so many elements, four in float32, other ones in every call. */
function elementPass(
  { engine, pool, weights: stored }: Workplace,
  kernel: PassKernel,
  size: number,
): (i: number) => void {
  const columns = Math.min(64, size);
  const sets = turns(pool.length, 4 * size, (element) => {
    const one = <T extends AnyTensor>(of: T, n: number): T =>
      tensorPart(of, element + n * size, [size / columns, columns]);
    const [a, b, c, d] = [one(pool, 0), one(pool, 1), one(pool, 2), one(pool, 3)];
    return { a, b, c, d, y: one(stored, 1), dz: one(stored, 3) };
  });
  const run = passCall(engine, kernel, size / columns, columns);
  return (i) => {
    run(sets[i % sets.length] as Operands);
  };
}

interface Operands {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly c: Tensor;
  readonly d: Tensor;
  /** In the format of products: b and d where that is float32. */
  readonly y: AnyTensor;
  readonly dz: AnyTensor;
}

function passCall(
  engine: Engine,
  kernel: PassKernel,
  rows: number,
  columns: number,
): (on: Operands) => void {
  const bias = engine.allocate([rows]);
  const slots = engine.slots(2);
  const activation = kernel.split(' ').at(-1) as Activation;
  if (kernel.startsWith('activation gradient')) {
    return ({ a, y, c, dz }) => engine.biasActivationGradient(activation, a, y, c, dz, 0, bias);
  }
  if (kernel.startsWith('activation')) {
    return ({ a, y }) => engine.biasActivation(activation, a, bias, y);
  }
  if (kernel.startsWith('encode') || kernel.startsWith('decode')) {
    const precision = kernel.split(' ').at(-1) as EncodedPrecision;
    const bytes = rows * rowBytes(precision, columns);
    const encoded = asBytes(engine.allocate([Math.ceil(bytes / 4)]), bytes);
    return kernel.startsWith('encode')
      ? ({ a }) => engine.encodeRows(precision, a, encoded)
      : ({ a }) => engine.decodeRows(precision, encoded, a);
  }
  switch (kernel) {
    case 'add':
      return ({ a, b, c }) => engine.add(a, b, c);
    case 'fill':
      return ({ a }) => engine.fill(a, 0.01);
    case 'copy':
      return ({ a, b }) => engine.copy(a, b);
    case 'axpy':
      return ({ a, b }) => engine.axpy(1e-6, a, b);
    case 'dropout':
      return ({ a, b }) => engine.dropout(a, DROPOUT, b);
    case 'multiply':
      return ({ a, b, c }) => engine.multiply(a, b, c);
    case 'column dots':
      return ({ a, b, c }) => engine.columnDots(a, b, c);
    case 'scale columns':
      return ({ a, b, c }) => engine.scaleColumns(a, b, c);
    case 'add scaled columns':
      return ({ a, b, c }) => engine.addScaledColumns(a, b, c);
    case 'inverse rms':
      return ({ a, b }) => engine.inverseRms(a, 1, b);
    case 'rms correction':
      return ({ a, b, c }) => engine.rmsCorrection(a, b, 1, c);
    case 'cross-entropy': {
      return ({ a, b, c }) => {
        engine.softmaxCrossEntropy(a, b, null, 0, c, 1e-3, a.shape[1] ?? 1, slots, 0);
      };
    }
    default: {
      if (kernel in ELEMENT_LOSSES) {
        const loss = { name: kernel as ElementLossName, parameter: 0.5 };
        return ({ a, b, c }) => {
          engine.elementLoss(loss, a, b, null, c, 1, a.shape[1] ?? 1, slots, 0);
        };
      }
      const name = kernel as OptimizerName;
      const { states: names, create } = OPTIMIZERS[name];
      const update = create(CONSTANTS, engine);
      const lists = new WeakMap<object, readonly UpdateOperands[]>();
      return (operands) => {
        const { a: weights, b: gradient, c, d, dz } = operands;
        const copy = dz.dtype === 'bfloat16' ? dz : null;
        const states = [c, d].slice(0, names.length);
        const list = lists.get(operands) ?? [{ weights, gradient, states, copy }];
        lists.set(operands, list);
        update(UPDATE_STEP, list, slots);
      };
    }
  }
}

/** Operands one after another in the pool, as many as calls take turns on. */
function turns<T>(room: number, elements: number, make: (element: number) => T): T[] {
  const count = Math.max(1, Math.min(TURNS, Math.floor(room / elements)));
  return Array.from({ length: count }, (_, i) => make(i * elements));
}

function matrix(on: AnyTensor, element: number, rows: number, columns: number): Matrix {
  const byteOffset = on.byteOffset + elementBytes(on.dtype) * element;
  return { dtype: on.dtype, byteOffset, rows, columns, stride: columns };
}
