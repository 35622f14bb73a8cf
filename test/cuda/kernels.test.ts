// What the kernels of a device do with arrays that are read four elements at a time, and with sums that many blocks
// or threads share, on the stand-in for CUDA's libraries. The contract of an engine has the rest.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import { USUAL_LOSS } from '#src/layers/loss-names.js';
import { Arrays, at, ROUNDING } from '../contract/engine-contract-reference.js';
import { fakeCuda, reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { referenceLoss } from '../reference/losses.js';
import { dense } from '../reference/matrix.js';
import { columnDots } from '../reference/norm.js';

const skip = reasonToSkipFakeCuda() ?? false;
if (skip === false) Object.assign(process.env, fakeCuda());
const engine = skip === false ? createCudaEngine() : null;

/** Arrays whose addresses are multiples of 16, or of 4 alone. */
async function arraysAt(byteAlignment: 4 | 16): Promise<Arrays> {
  const made = await (engine ?? createCudaEngine());
  return new Arrays(made, { float64Sums: true, nonFinite: true, byteAlignment, tolerance: 1 });
}

describe('kernels of a device', { skip }, () => {
  const shapes = [
    [3, 1400],
    [9, 36],
    [9, 35],
    [70, 33],
  ] as const;
  for (const [rows, columns] of shapes) {
    it(`gives the same bits at every address, ${rows} × ${columns}`, async () => {
      const aligned = resultsOf(await arraysAt(16), rows, columns);
      assert.deepEqual(resultsOf(await arraysAt(4), rows, columns), aligned);
    });
  }

  it('sums columns by ranges of rows', async () => {
    const arrays = await arraysAt(4);
    // One range, several with a short one last, as many as there are, and columns that leave room for one.
    for (const [rows, columns] of [
      [64, 40],
      [150, 33],
      [4500, 3],
      [65, 33_000],
    ] as const) {
      const [a, b] = [arrays.tensor([rows, columns]), arrays.tensor([rows, columns])];
      const out = arrays.tensor([columns]);
      arrays.engine.columnDots(a, b, out);
      const expected = columnDots(
        dense(rows, columns, arrays.of(a)),
        dense(rows, columns, arrays.of(b)),
      );
      // Products are below one; a float64 sum is rounded once.
      for (const [c, sum] of arrays.of(out).entries()) {
        const bounds = { relative: ROUNDING, absolute: 1e-12 };
        arrays.close(sum, at(expected, c), bounds, `column ${c} of ${rows} × ${columns}`);
      }
    }
    arrays.checkGuards();
  });

  it('measures cross-entropy of many classes', async () => {
    const arrays = await arraysAt(4);
    const [classes, columns, valid] = [700, 21, 19];
    for (const smoothing of [0, 0.1]) {
      const logits = arrays.tensor([classes, columns], () => 10 * arrays.random());
      const labels = arrays.tensor([columns], (j) => (j * 37) % classes);
      const d = arrays.tensor([classes, columns]);
      const { lossSum } = arrays.softmaxCrossEntropy(logits, labels, null, smoothing, d, 1, valid);
      const of = {
        loss: 'cross-entropy',
        lossOptions: { ...USUAL_LOSS, labelSmoothing: smoothing },
        weights: Array.from({ length: columns }, (_, j) => (j < valid ? columns : 0)),
      };
      const z = dense(classes, columns, arrays.of(logits));
      const { loss, gradient } = referenceLoss(of, z, dense(1, columns, arrays.of(labels)));
      // Exponentials of arguments of up to 20, rounded, and their sum.
      const absolute = ROUNDING * 30;
      arrays.close(lossSum, loss, { absolute: valid * absolute, relative: 1e-6 }, 'loss');
      for (const [i, slope] of arrays.of(d).entries()) {
        arrays.close(slope, at(gradient.data, i), { absolute }, `dLogits[${i}]`);
      }
    }
    arrays.checkGuards();
  });

  it('takes the first of equal logits for the winner, whichever thread has it', async () => {
    const arrays = await arraysAt(4);
    const classes = 100;
    const pairs: readonly (readonly [number, number])[] = [
      [0, 99],
      [31, 32],
      [32, 63],
      [40, 50],
      [5, 37],
    ];
    for (const [first, second] of pairs) {
      const logits = arrays.tensor([classes, 2], (i) =>
        i >> 1 === first || i >> 1 === second ? 3 : -(i >> 1),
      );
      const labels = arrays.tensor([2], () => first);
      const d = arrays.tensor([classes, 2]);
      const { correct } = arrays.softmaxCrossEntropy(logits, labels, null, 0, d, 1, 2);
      assert.equal(correct, 2, `${first} and ${second}`);
    }
    const logits = arrays.tensor([classes, 1], (c) => (c === 77 ? Number.NaN : c));
    const d = arrays.tensor([classes, 1]);
    const labels = arrays.tensor([1], () => 3);
    assert(Number.isNaN(arrays.softmaxCrossEntropy(logits, labels, null, 0, d, 1, 1).lossSum));
  });
});

/** What all kernels give that read four elements at a time, of the same numbers each time. */
function resultsOf(arrays: Arrays, rows: number, columns: number): unknown[] {
  const results: unknown[] = [];
  const { engine: on } = arrays;
  const shape = [rows, columns];
  const made = () => arrays.tensor(shape);
  const row = () => arrays.tensor([columns]);
  const [x, y, out] = [made(), made(), made()];
  const kept = (...tensors: readonly ReturnType<typeof made>[]) => {
    for (const tensor of tensors) results.push(arrays.of(tensor));
  };
  on.add(x, y, out);
  kept(out);
  on.multiply(x, y, out);
  kept(out);
  on.axpy(0.3, x, out);
  on.scale(1.7, out);
  kept(out);
  on.scaleColumns(x, row(), out);
  on.addScaledColumns(y, row(), out);
  kept(out);
  const bias = arrays.tensor([rows]);
  on.biasActivation('gelu', x, bias, out);
  kept(x, out);
  const dBias = arrays.tensor([rows]);
  on.biasActivationGradient('gelu', x, out, y, y, 0.5, dBias);
  kept(y, dBias);
  results.push(arrays.sumOfSquares(x));
  const loss = { name: 'huber', parameter: 0.4 } as const;
  results.push(arrays.elementLoss(loss, x, y, row(), out, 0.7, columns - 1));
  kept(out);
  const states = [arrays.tensor(shape, () => 0.1), arrays.tensor(shape, () => 0.2)];
  const operands = { weights: x, gradient: y, states, copy: null };
  const common = { learningRate: 0.1, weightDecay: 0.01, gradientScale: 0.5 };
  const adam = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decoupled: true };
  const corrections = { biasCorrection1: 0.1, biasCorrection2: 0.01 };
  results.push(arrays.adamStep([operands], { ...common, ...adam, ...corrections }));
  kept(x, ...states);
  const momentum = { momentum: 0.9, nesterov: true };
  results.push(
    arrays.sgdStep([{ ...operands, states: states.slice(1) }], { ...common, ...momentum }),
  );
  kept(x, ...states);
  arrays.checkGuards();
  return results;
}
