import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ClassificationSums } from '#src/metrics/classification.js';
import { MultilabelSums } from '#src/metrics/multilabel.js';
import { RegressionSums } from '#src/metrics/regression.js';
import { ScoreSample } from '#src/metrics/roc.js';

interface Golden {
  readonly regression: {
    readonly truth: number[];
    readonly predicted: number[];
    readonly weights: number[];
    readonly plain: object;
    readonly weighted: object;
  };
  readonly classification: {
    readonly classes: number;
    readonly logits: number[];
    readonly truth: number[];
    readonly want: { precision: number[]; recall: number[]; f1: number[]; rows: number[] };
  }[];
  readonly multilabel: { targets: number; logits: number[]; truth: number[]; want: object };
}

/** Made by test/golden/metrics.py. */
const golden = JSON.parse(
  readFileSync(new URL('../../../test/golden/metrics.json', import.meta.url), 'utf8'),
) as Golden;

/** Both are float64 sums in another order. */
const TOLERANCE = 1e-12;

function same(found: object, wanted: object): void {
  for (const [name, want] of Object.entries(wanted) as [string, number | number[] | number[][]][]) {
    const have = (found as Record<string, unknown>)[name];
    assert.ok(have !== undefined, name);
    for (const [i, value] of [want].flat(2).entries()) {
      const own = [have as number | number[] | number[][]].flat(2)[i];
      assert.ok(
        Math.abs(own - value) <= TOLERANCE * Math.max(1, Math.abs(value)),
        `${name} ${own} ${value}`,
      );
    }
  }
}

/** Row-major rows as feature-major batches of seven columns, the last one padded. */
function* batches(rows: readonly number[], width: number) {
  const count = rows.length / width;
  for (let first = 0; first < count; first += 7) {
    const batch = new Float32Array(7 * width).fill(99);
    const valid = Math.min(7, count - first);
    for (let c = 0; c < valid; c++) {
      for (let i = 0; i < width; i++) batch[i * 7 + c] = rows[(first + c) * width + i];
    }
    yield { batch, valid, first };
  }
}

const part = (values: readonly number[], first: number) =>
  Float32Array.from({ length: 7 }, (_, i) => values[first + i] ?? 0);

function regression(predicted: number[], truth: number[], weights: number[] | null) {
  const sums = new RegressionSums(1);
  sums.add(new Float32Array(3), Float32Array.of(5, 6, 7), 3, null);
  sums.clear();
  for (const { batch, valid, first } of batches(predicted, 1)) {
    sums.add(batch, part(truth, first), valid, weights && part(weights, first));
  }
  return sums.metricsOf(0);
}

test('RMSE, MAE and R² are those of scikit-learn, weighted too', () => {
  const { truth, predicted, weights, plain, weighted } = golden.regression;
  same(regression(predicted, truth, null), plain);
  same(regression(predicted, truth, weights), weighted);
  assert.ok(Number.isNaN(regression([1, 2], [3, 3], null).r2));
});

test('metrics of classes are those of scikit-learn', () => {
  for (const { classes, logits, truth, want } of golden.classification) {
    const sums = new ClassificationSums(classes, truth.length);
    for (const round of [0, 1]) {
      if (round === 1) sums.clear();
      for (const { batch, valid, first } of batches(logits, classes)) {
        sums.add(batch, part(truth, first), valid, null);
      }
    }
    const found = sums.result();
    const { precision, recall, f1, rows, ...rest } = want;
    same(found, rest);
    for (const [c, own] of found.classes.entries()) {
      same(own, { precision: precision[c], recall: recall[c], f1: f1[c], rows: rows[c] });
    }
  }
});

test('metrics of yes-or-no answers are those of scikit-learn', () => {
  const { targets, logits, truth, want } = golden.multilabel;
  const sums = new MultilabelSums(targets, truth.length / targets);
  const answers = [...batches(truth, targets)];
  for (const [i, { batch, valid }] of [...batches(logits, targets)].entries()) {
    sums.add(batch, answers[i]?.batch ?? new Float32Array(), valid, null);
  }
  same(sums.result(), want);
});

test('of many rows the area under the curve is that of an even part of them', () => {
  const rows = 10_000;
  const [all, some] = [new ScoreSample(rows, 1), new ScoreSample(rows, 1, 3000)];
  for (let row = 0; row < rows; row++) {
    const positive = (row * 7919) % 3 === 0;
    const score = ((row * 104_729) % 1000) / 1000 + (positive ? 0.3 : 0);
    for (const sample of [all, some]) if (sample.next(1)) sample.add(0, score, positive);
  }
  assert.deepEqual([all.rows, some.rows], [rows, 3000]);
  assert.ok(Math.abs(all.area(0) - 0.755) < 0.005, String(all.area(0)));
  assert.ok(Math.abs(all.area(0) - some.area(0)) < 0.02);
});
