import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { classificationMetrics } from '#src/metrics/classification.js';
import { multilabelMetrics } from '#src/metrics/multilabel.js';
import { regressionMetrics } from '#src/metrics/regression.js';

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

test('RMSE, MAE and R² are those of scikit-learn, weighted too', () => {
  const { truth, predicted, weights, plain, weighted } = golden.regression;
  same(regressionMetrics(predicted, truth), plain);
  same(regressionMetrics(predicted, truth, weights), weighted);
  assert.ok(Number.isNaN(regressionMetrics([1, 2], [3, 3]).r2));
});

test('metrics of classes are those of scikit-learn', () => {
  for (const { classes, logits, truth, want } of golden.classification) {
    const found = classificationMetrics(Float32Array.from(logits), truth, classes);
    const { precision, recall, f1, rows, ...rest } = want;
    same(found, rest);
    for (const [c, own] of found.classes.entries()) {
      same(own, { precision: precision[c], recall: recall[c], f1: f1[c], rows: rows[c] });
    }
  }
});

test('metrics of yes-or-no answers are those of scikit-learn', () => {
  const { targets, logits, truth, want } = golden.multilabel;
  same(multilabelMetrics(Float32Array.from(logits), truth, targets), want);
});
