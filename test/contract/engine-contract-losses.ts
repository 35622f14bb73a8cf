// The part of the engine contract that is about element-wise losses, weights and smoothed labels.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type ElementLossName, ELEMENT_LOSSES } from '#src/engines/element-losses.js';
import { USUAL_LOSS } from '#src/layers/loss-names.js';
import { REFERENCE_LOSSES, referenceLoss } from '../reference/losses.js';
import { dense } from '../reference/matrix.js';
import { type Arrays, at, ROUNDING, type Subject } from './engine-contract-reference.js';

/** Rows, columns, valid columns. */
const SHAPES = [
  [1, 1, 1],
  [2, 1, 0],
  [3, 5, 5],
  [4, 64, 64],
  [10, 7, 6],
  [17, 33, 30],
] as const;

const NAMES = Object.keys(ELEMENT_LOSSES) as ElementLossName[];
const PARAMETERS: Partial<Record<ElementLossName, number>> = {
  huber: 0.5,
  quantile: 0.2,
  'binary-cross-entropy': 0.1,
};

function targetOf(name: ElementLossName, i: number, random: number): number {
  if (name === 'poisson') return i % 3;
  return name === 'binary-cross-entropy' ? i % 2 : random;
}

export function lossContract(subject: Subject): void {
  for (const name of NAMES) {
    it(`measures ${name} and writes its gradient, weighted too`, async () => {
      const arrays = await subject.arrays();
      for (const [rows, columns, valid] of SHAPES) {
        for (const weighted of [false, true])
          elementLoss(arrays, name, [rows, columns, valid], weighted);
      }
      arrays.checkGuards();
    });
  }

  it('has no slope where output and target are equal', async () => {
    const arrays = await subject.arrays();
    for (const name of ['mae', 'huber', 'quantile'] as const) {
      const z = arrays.tensor([1, 6]);
      const dz = arrays.tensor([1, 6]);
      const loss = { name, parameter: 0.3 };
      assert.equal(arrays.elementLoss(loss, z, z, null, dz, 1, 6), 0);
      assert.deepEqual([...arrays.of(dz)].map(Math.abs), [0, 0, 0, 0, 0, 0], name);
    }
  });

  it('measures large outputs without overflow, and lets NaN through', async () => {
    const arrays = await subject.arrays();
    const z = arrays.tensor([1, 4], (i) => at([200, -200, 30, -30], i));
    const y = arrays.tensor([1, 4], (i) => at([1, 0, 0, 1], i));
    const dz = arrays.tensor([1, 4]);
    const binary = { name: 'binary-cross-entropy', parameter: 0 } as const;
    arrays.close(arrays.elementLoss(binary, z, y, null, dz, 1, 4), 60, { relative: 1e-6 }, 'loss');
    if (!subject.nonFinite) return;
    const unknown = arrays.tensor([1, 5], (i) => (i === 4 ? NaN : 1));
    for (const name of NAMES) {
      const loss = { name, parameter: PARAMETERS[name] ?? 0 };
      const [target, gradient] = [arrays.tensor([1, 5], () => 1), arrays.tensor([1, 5])];
      for (const weights of [null, arrays.tensor([5], () => 1)]) {
        const of = (valid: number) =>
          arrays.elementLoss(loss, unknown, target, weights, gradient, 1, valid);
        assert.ok(Number.isFinite(of(4)), name);
        assert.equal(arrays.of(gradient)[4], 0);
        assert.ok(Number.isNaN(of(5)), name);
      }
    }
  });

  it('measures weighted cross-entropy of smoothed labels', async () => {
    const arrays = await subject.arrays();
    for (const [classes, columns, valid] of SHAPES) {
      for (const smoothing of [0, 0.1]) {
        for (const weighted of [false, true]) {
          crossEntropy(arrays, [classes, columns, valid], smoothing, weighted);
        }
      }
    }
    arrays.checkGuards();
  });
}

type Shape = readonly [rows: number, columns: number, valid: number];

const weightOf = (column: number) => (column % 5) / 2;

function elementLoss(
  arrays: Arrays,
  name: ElementLossName,
  [rows, columns, valid]: Shape,
  weighted: boolean,
): void {
  const loss = { name, parameter: PARAMETERS[name] ?? 0 };
  const z = arrays.tensor([rows, columns]);
  const target = arrays.tensor([rows, columns], (i) => targetOf(name, i, arrays.random()));
  const weights = weighted ? arrays.tensor([columns], weightOf) : null;
  const dz = arrays.tensor([rows, columns]);
  const scale = 0.37;
  const sum = arrays.elementLoss(loss, z, target, weights, dz, scale, valid);
  const { value, slope } = REFERENCE_LOSSES[name];
  const [zs, ys, slopes] = [arrays.of(z), arrays.of(target), arrays.of(dz)];
  let expected = 0;
  for (let i = 0; i < rows * columns; i++) {
    const isInside = i % columns < valid;
    const weight = isInside ? (weighted ? weightOf(i % columns) : 1) : 0;
    const [output, y] = [at(zs, i), at(ys, i)];
    // The parameter is a float32 too.
    const p = Math.fround(loss.parameter);
    expected += weight * value(output, y, p);
    const gradient = scale * weight * slope(output, y, p);
    // An exponential or a difference of numbers below e, then a few roundings.
    arrays.close(at(slopes, i), gradient, { absolute: 20 * ROUNDING }, `${name} dz[${i}]`);
  }
  const absolute = 8 * rows * columns * ROUNDING;
  arrays.close(sum, expected, { absolute }, `${name} of ${rows} × ${valid}`);
}

function crossEntropy(
  arrays: Arrays,
  [classes, columns, valid]: Shape,
  smoothing: number,
  weighted: boolean,
): void {
  const logits = arrays.tensor([classes, columns]);
  const labels = arrays.tensor([columns], (i) => i % classes);
  const weights = weighted ? arrays.tensor([columns], weightOf) : null;
  const dLogits = arrays.tensor([classes, columns]);
  const result = arrays.softmaxCrossEntropy(logits, labels, weights, smoothing, dLogits, 1, valid);
  const inside = Array.from({ length: columns }, (_, j) => (j < valid ? 1 : 0));
  const of = {
    loss: 'cross-entropy',
    lossOptions: { ...USUAL_LOSS, labelSmoothing: smoothing },
    weights: inside.map((one, j) => one * (weighted ? weightOf(j) : 1) * columns),
  };
  const z = dense(classes, columns, arrays.of(logits));
  const expected = referenceLoss(of, z, dense(1, columns, arrays.of(labels)));
  arrays.close(result.lossSum, expected.loss, { absolute: 20 * columns * ROUNDING }, 'loss');
  const slopes = arrays.of(dLogits);
  for (const [i, gradient] of expected.gradient.data.entries()) {
    arrays.close(at(slopes, i), gradient, { absolute: 20 * ROUNDING }, `dLogits[${i}]`);
  }
}
