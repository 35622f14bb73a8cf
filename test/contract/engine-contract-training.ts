// The part of the engine contract that is about losses and optimizer steps.
import assert from 'node:assert/strict';
import { it } from 'node:test';

import type { AdamStep } from '#src/engines/engine.js';
import type { Tensor } from '#src/tensor/tensor.js';

import { type Arrays, at, ROUNDING, type Subject } from './engine-contract-reference.js';

const SQUARE = { name: 'mse', parameter: 0 } as const;

/** Rows, columns, valid columns. */
const SHAPES: readonly (readonly [number, number, number])[] = [
  ...([
    [1, 1, 1],
    [2, 1, 0],
    [3, 5, 5],
    [10, 7, 6],
  ] as const),
  ...([
    [4, 64, 64],
    [17, 33, 30],
    [3, 2053, 2050],
    [300, 8, 8],
  ] as const),
];

export function trainingContract(subject: Subject): void {
  it('measures the squared error and writes its gradient', async () => {
    const arrays = await subject.arrays();
    for (const [rows, columns, valid] of SHAPES) {
      const z = arrays.tensor([rows, columns]);
      const target = arrays.tensor([rows, columns]);
      const dz = arrays.tensor([rows, columns]);
      const scale = 0.37;
      const loss = arrays.elementLoss(SQUARE, z, target, null, dz, scale, valid);
      const [zs, ys, slopes] = [arrays.of(z), arrays.of(target), arrays.of(dz)];
      let expected = 0;
      for (let i = 0; i < rows * columns; i++) {
        const difference = Math.fround(at(zs, i) - at(ys, i));
        const inside = i % columns < valid;
        if (inside) expected += difference ** 2;
        const gradient = inside ? 2 * scale * difference : 0;
        // 2 · scale and the product round once each.
        arrays.close(at(slopes, i), gradient, { relative: 3 * ROUNDING }, `dz[${i}]`);
      }
      arrays.closeSum(loss, expected, rows * valid, `loss of ${rows} × ${valid}`);
    }
    arrays.checkGuards();
  });

  it('ignores what lies in the columns that are not valid, and lets NaN through elsewhere', async (t) => {
    if (!subject.nonFinite) return t.skip('this engine promises nothing of NaN');
    const arrays = await subject.arrays();
    const z = arrays.tensor([2, 5], (i) => (i % 5 === 4 ? NaN : 1));
    const target = arrays.tensor([2, 5], () => 0);
    const dz = arrays.tensor([2, 5]);
    assert.equal(arrays.elementLoss(SQUARE, z, target, null, dz, 1, 4), 8);
    assert.equal(arrays.of(dz)[4], 0);
    assert(Number.isNaN(arrays.elementLoss(SQUARE, z, target, null, dz, 1, 5)));

    const labels = arrays.tensor([5], () => 1);
    const { lossSum } = arrays.softmaxCrossEntropy(z, labels, null, 0, dz, 1, 4);
    arrays.close(lossSum, 4 * Math.LN2, { relative: 1e-6 }, 'loss');
    assert.equal(arrays.of(dz)[4], 0);
    assert.equal(arrays.of(dz)[9], 0);
    assert(Number.isNaN(arrays.softmaxCrossEntropy(z, labels, null, 0, dz, 1, 5).lossSum));
  });

  it('measures softmax cross-entropy, its gradient and the correct columns', async () => {
    const arrays = await subject.arrays();
    for (const [classes, columns, valid] of SHAPES) {
      for (const spread of [1, 30, 3000]) {
        crossEntropy(arrays, classes, columns, valid, spread);
      }
    }
    arrays.checkGuards();
  });

  it('takes the first of equal logits for the winner', async () => {
    const arrays = await subject.arrays();
    const logits = arrays.tensor([3, 4], (i) => at([1, 0, 5, -1, 1, 2, 5, -1, 0, 2, 5, -1], i));
    const labels = arrays.tensor([4], (i) => at([1, 1, 0, 0], i));
    const dLogits = arrays.tensor([3, 4]);
    const { correct } = arrays.softmaxCrossEntropy(logits, labels, null, 0, dLogits, 1, 4);
    // Winners 0, 1, 0, 0.
    assert.equal(correct, 3);
  });

  it('answers NaN for a label that is no class, without touching other memory', async (t) => {
    if (!subject.nonFinite) return t.skip('this engine promises nothing of NaN');
    const arrays = await subject.arrays();
    for (const label of [3, -1, NaN, Infinity, 4e9]) {
      const logits = arrays.tensor([3, 5]);
      const labels = arrays.tensor([5], (i) => (i === 2 ? label : 0));
      const dLogits = arrays.tensor([3, 5]);
      const { lossSum } = arrays.softmaxCrossEntropy(logits, labels, null, 0, dLogits, 1, 5);
      assert(Number.isNaN(lossSum), `label ${label} gave ${lossSum}`);
    }
    arrays.checkGuards();
  });

  it('takes SGD steps, with and without momentum', async () => {
    const arrays = await subject.arrays();
    for (const n of [0, 1, 3, 4, 6, 129]) {
      for (const momentum of [null, 0.9]) {
        for (const nesterov of momentum === null ? [false] : [false, true]) {
          sgd(arrays, n, momentum, nesterov);
        }
      }
    }
    arrays.checkGuards();
  });

  it('takes Adam and AdamW steps', async () => {
    const arrays = await subject.arrays();
    for (const n of [0, 1, 3, 4, 6, 129]) {
      for (const decoupled of [false, true]) adam(arrays, n, decoupled);
    }
    arrays.checkGuards();
  });

  it('keeps what kernels sum in slots until they are read, all at once', async () => {
    const arrays = await subject.arrays();
    const { engine } = arrays;
    const slots = engine.slots(3);
    assert.deepEqual([...engine.read(slots)], [0, 0, 0]);
    const x = arrays.tensor([4], () => 1);
    engine.sumOfSquares(x, slots, 2);
    engine.scale(2, x);
    engine.sumOfSquares(x, slots, 0);
    assert.equal(engine.read(slots), slots.values);
    assert.deepEqual([...slots.values], [16, 0, 4]);
  });

  it('updates tensors of a list as it does one by one, with the bits', async () => {
    // More than the blocks of a device take at once, none, and a step that changes.
    const lengths = [5, 0, 262_401, 1024, 1, 0];
    const arrays = await subject.arrays(21);
    const { engine } = arrays;
    for (const states of [1, 2]) {
      const values = lengths.map((n) => Array.from({ length: n }, () => arrays.random()));
      const made = () =>
        lengths.map((n, i) => ({
          weights: arrays.tensor([n], (j) => values[i][j]),
          gradient: arrays.tensor([n], (j) => values[i][n - 1 - j]),
          states: Array.from({ length: states }, () => arrays.tensor([n], () => 0.25)),
          copy: i % 2 === 0 ? engine.allocate([n], 'bfloat16') : null,
        }));
      const [together, alone] = [made(), made()];
      for (let t = 1; t <= 2; t++) {
        const step = (list: typeof together) =>
          states === 2
            ? arrays.adamStep(list, { ...adamSettings(t, true), learningRate: 0.1 / t })
            : arrays.sgdStep(list, { ...SGD, momentum: 0.9, learningRate: 0.1 / t });
        const squares = step(together);
        assert.deepEqual(
          squares,
          alone.flatMap((one) => step([one])),
        );
        for (const [i, one] of together.entries()) {
          const other = alone[i];
          assert.deepEqual(engine.toHost(one.weights), engine.toHost(other.weights));
          for (const [j, state] of one.states.entries()) {
            assert.deepEqual(engine.toHost(state), engine.toHost(other.states[j]));
          }
          if (one.copy && other.copy) {
            assert.deepEqual(engine.toHost(one.copy), engine.toHost(other.copy));
          }
        }
      }
    }
    arrays.checkGuards();
  });

  it('reports a gradient that is not finite', async (t) => {
    if (!subject.nonFinite) return t.skip('this engine promises nothing of NaN');
    const arrays = await subject.arrays();
    for (let place = 0; place < 7; place++) {
      const w = arrays.tensor([7]);
      const g = arrays.tensor([7], (i) => (i === place ? NaN : 1));
      const [m, v] = [arrays.tensor([7], () => 0), arrays.tensor([7], () => 0)];
      const operands = { weights: w, gradient: g, copy: null };
      assert.deepEqual(arrays.sgdStep([{ ...operands, states: [] }], SGD), [NaN]);
      const moments = [{ ...operands, states: [m, v] }];
      assert.deepEqual(arrays.adamStep(moments, adamSettings(1, true)), [NaN]);
      assert.deepEqual([...arrays.of(w)].map(Number.isNaN), [...arrays.of(g)].map(Number.isNaN));
    }
  });
}

function crossEntropy(
  arrays: Arrays,
  classes: number,
  columns: number,
  valid: number,
  spread: number,
): void {
  const logits = arrays.tensor([classes, columns], () => spread * arrays.random());
  const labels = arrays.tensor([columns], () => Math.floor(((arrays.random() + 1) / 2) * classes));
  const dLogits = arrays.tensor([classes, columns]);
  const scale = 0.7;
  const result = arrays.softmaxCrossEntropy(logits, labels, null, 0, dLogits, scale, valid);
  const [zs, ys, slopes] = [arrays.of(logits), arrays.of(labels), arrays.of(dLogits)];
  let [lossSum, correct] = [0, 0];
  for (let j = 0; j < columns; j++) {
    const column = Array.from({ length: classes }, (_, c) => at(zs, c * columns + j));
    const greatest = Math.max(...column);
    const total = column.reduce((sum, x) => sum + Math.exp(x - greatest), 0);
    const label = at(ys, j);
    if (j < valid) {
      lossSum += Math.log(total) + greatest - at(column, label);
      correct += column.indexOf(greatest) === label ? 1 : 0;
    }
    for (let c = 0; c < classes; c++) {
      const share = Math.exp(at(column, c) - greatest) / total - (c === label ? 1 : 0);
      const expected = j < valid ? scale * share : 0;
      // The exponential (argument rounded at `spread`, then a few roundings), its sum over the
      // classes, the quotient and the difference from one.
      const absolute = scale * ROUNDING * (2 * spread + classes + 8);
      arrays.close(at(slopes, c * columns + j), expected, { absolute }, `dLogits[${c}, ${j}]`);
    }
  }
  // A column's loss is off by what its sum of exponentials is, relatively.
  const absolute = valid * ROUNDING * (classes + 8 + 2 * spread);
  arrays.close(
    result.lossSum,
    lossSum,
    { absolute, relative: 1e-7 },
    `loss of ${classes} × ${valid}`,
  );
  assert.equal(result.correct, correct);
}

const SGD = {
  learningRate: 0.1,
  momentum: 0,
  nesterov: false,
  weightDecay: 0.01,
  gradientScale: 0.5,
};

function sgd(arrays: Arrays, n: number, momentum: number | null, nesterov: boolean): void {
  const step = { ...SGD, momentum: momentum ?? 0, nesterov };
  const weights = arrays.tensor([n]);
  const velocity = momentum === null ? null : arrays.tensor([n], () => 0);
  const w = Array.from(arrays.of(weights));
  const v = w.map(() => 0);
  for (let t = 0; t < 3; t++) {
    const gradient = arrays.tensor([n]);
    const operands = { weights, gradient, states: velocity === null ? [] : [velocity], copy: null };
    checkSquares(arrays, at(arrays.sgdStep([operands], step), 0), gradient);
    const [gs, ws] = [arrays.of(gradient), arrays.of(weights)];
    const vs = velocity === null ? null : arrays.of(velocity);
    for (let i = 0; i < n; i++) {
      const g = step.gradientScale * at(gs, i) + step.weightDecay * at(w, i);
      v[i] = momentum === null ? g : momentum * at(v, i) + g;
      const change = nesterov ? g + step.momentum * at(v, i) : at(v, i);
      w[i] = at(w, i) - step.learningRate * change;
      // About ten roundings of numbers of order 1 a step.
      arrays.close(at(ws, i), at(w, i), { absolute: 10 * (t + 1) * ROUNDING }, `w[${i}]`);
      if (vs !== null) {
        arrays.close(at(vs, i), at(v, i), { absolute: 20 * (t + 1) * ROUNDING }, `v[${i}]`);
      }
    }
  }
}

function adamSettings(t: number, decoupled: boolean): AdamStep {
  const [beta1, beta2] = [0.9, 0.999];
  return {
    learningRate: 0.05,
    beta1,
    beta2,
    epsilon: 1e-8,
    weightDecay: 0.1,
    decoupled,
    biasCorrection1: 1 - beta1 ** t,
    biasCorrection2: 1 - beta2 ** t,
    gradientScale: 0.5,
  };
}

function adam(arrays: Arrays, n: number, decoupled: boolean): void {
  const weights = arrays.tensor([n]);
  const [first, second] = [arrays.tensor([n], () => 0), arrays.tensor([n], () => 0)];
  const w = Array.from(arrays.of(weights));
  const m = w.map(() => 0);
  const v = w.map(() => 0);
  for (let t = 1; t <= 4; t++) {
    const s = adamSettings(t, decoupled);
    const gradient = arrays.tensor([n]);
    const operands = { weights, gradient, states: [first, second], copy: null };
    checkSquares(arrays, at(arrays.adamStep([operands], s), 0), gradient);
    const [gs, ws] = [arrays.of(gradient), arrays.of(weights)];
    const [ms, vs] = [arrays.of(first), arrays.of(second)];
    for (let i = 0; i < n; i++) {
      const decay = s.weightDecay * at(w, i);
      const g = s.gradientScale * at(gs, i) + (decoupled ? 0 : decay);
      m[i] = s.beta1 * at(m, i) + (1 - s.beta1) * g;
      v[i] = s.beta2 * at(v, i) + (1 - s.beta2) * g * g;
      const mean = at(m, i) / s.biasCorrection1;
      const root = Math.sqrt(at(v, i) / s.biasCorrection2) + s.epsilon;
      w[i] = at(w, i) - s.learningRate * (mean / root + (decoupled ? decay : 0));
      // The step is of the size of the learning rate, whatever the gradient's, and has some ten
      // roundings; where the first moment nearly cancels these are a few times larger. The weight
      // itself is rounded twice a step.
      const absolute = s.learningRate * 40 * t * ROUNDING + 4 * t * ROUNDING * Math.abs(at(w, i));
      arrays.close(at(ws, i), at(w, i), { absolute }, `w[${i}] at step ${t}`);
      arrays.close(at(ms, i), at(m, i), { absolute: 8 * t * ROUNDING }, `m[${i}] at step ${t}`);
      arrays.close(at(vs, i), at(v, i), { absolute: 8 * t * ROUNDING }, `v[${i}] at step ${t}`);
    }
  }
}

function checkSquares(arrays: Arrays, actual: number, gradient: Tensor): void {
  const expected = arrays.of(gradient).reduce((sum, value) => sum + value * value, 0);
  arrays.closeSum(actual, expected, gradient.length, 'Σ gradient²');
}
