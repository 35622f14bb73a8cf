import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { type ArrayData, type EndEvent, evaluate, train } from 'phantom-parallel';
import { temporaryFolder } from '../support/files.js';

const SIZES = { width: 8, depth: 1, blocks: 4, ghosts: 2, engine: 'wasm' } as const;
const X = Array.from({ length: 50 }, (_, i) =>
  Array.from({ length: 8 }, (_unused, f) => Math.sin(i * (f + 1))),
);
const numbers: ArrayData = { x: X, y: X.map((row) => row.map((value, f) => value * (f + 1))) };
const column: ArrayData = { x: X, y: X.map(([a = 0, b = 0]) => 3 * a - b) };
const classes: ArrayData = { x: X, y: X.map(([a = 0]) => (a > 0.5 ? 2 : a > -0.5 ? 1 : 0)) };

async function ends(context: Parameters<typeof temporaryFolder>[0], data: ArrayData) {
  const folder = temporaryFolder(context);
  const found: EndEvent[] = [];
  for (const [i, how] of [{ ranks: 1 }, { ranks: 2 }].entries()) {
    const out = path.join(folder, `run-${i}`);
    // Batches of 16: the last one of a validation is padded.
    const settings = { ...SIZES, ...how, steps: 6, batch: 16, lr: 0.01 };
    found.push(await train({ ...settings, data, validation: data, out }));
  }
  return found as [EndEvent, EndEvent];
}

function regression({ validationMetrics: metrics }: EndEvent) {
  assert.ok(metrics?.task === 'regress');
  return metrics;
}

const near = (a: number | null | undefined, b: number | null) =>
  assert.ok(Math.abs((a ?? NaN) - (b ?? NaN)) < 1e-6 * Math.abs(b ?? 1), `${a} ${b}`);

describe('metrics of a validation', () => {
  it('of numbers agree with the loss, whatever the ranks', async (context) => {
    const [one, two] = await ends(context, column);
    assert.deepEqual(one.validationMetrics, two.validationMetrics);
    const { values, targets } = regression(one);
    near((values.rmse ?? NaN) ** 2, one.validationLoss);
    assert.deepEqual(targets, [{ name: 'y0', ...values }]);
    const report = await evaluate({ model: two.runFolder, data: column, ranks: 2, engine: 'wasm' });
    assert.deepEqual(report.metrics, one.validationMetrics);
  });

  it('of outputs that lie on several ranks are those of one', async (context) => {
    const [one, two] = await ends(context, numbers);
    assert.deepEqual(one.validationMetrics, two.validationMetrics);
    const { values, targets } = regression(one);
    assert.equal(targets?.length, 8);
    const mean = (of: (target: { rmse: number; r2: number | null }) => number) =>
      (targets ?? []).reduce((sum, target) => sum + of(target), 0) / 8;
    near(
      mean(({ rmse }) => rmse ** 2),
      one.validationLoss,
    );
    near(
      values.r2,
      mean(({ r2 }) => r2 ?? NaN),
    );
    // Targets of more spread have larger errors in their units.
    assert.ok((targets?.[7]?.rmse ?? 0) > 2 * (targets?.[0]?.rmse ?? 0));
  });

  it('of classes agree with loss and accuracy', async (context) => {
    const [one, two] = await ends(context, classes);
    const { validationMetrics: metrics } = one;
    assert.deepEqual(metrics, two.validationMetrics);
    assert.ok(metrics?.task === 'classify');
    near(metrics.values.logLoss, one.validationLoss);
    assert.equal(metrics.values.accuracy, one.validationAccuracy);
    const right = metrics.confusion?.reduce((sum, row, i) => sum + (row[i] ?? 0), 0) ?? NaN;
    assert.equal(right / 50, one.validationAccuracy);
    assert.deepEqual(
      metrics.classes.map(({ name, rows }) => [name, rows]),
      [0, 1, 2].map((label) => [
        String(label),
        (classes.y as number[]).filter((own) => own === label).length,
      ]),
    );
  });

  it('of labels fitted as zeros and ones are those of classes, without a log loss', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const settings = { ...SIZES, ranks: 1, steps: 60, batch: 16, lr: 0.01, loss: 'mse' } as const;
    const end = await train({ ...settings, data: classes, validation: classes, out });
    const { validationMetrics: metrics } = end;
    assert.ok(metrics?.task === 'classify');
    assert.equal(metrics.values.logLoss, null);
    const { accuracy, rocAuc } = metrics.values;
    assert.ok((accuracy ?? 0) > 0.6 && (rocAuc ?? 0) > 0.7, `${accuracy} ${rocAuc}`);
  });
});
