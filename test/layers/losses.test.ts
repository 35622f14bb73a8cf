import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { ElementLossName } from '#src/engines/element-losses.js';
import { LOSSES, USUAL_LOSS } from '#src/layers/loss-names.js';
import { REFERENCE_LOSSES, referenceLoss } from '../reference/losses.js';
import { dense } from '../reference/matrix.js';

interface Golden {
  readonly truth: number[];
  readonly raw: number[];
  readonly element: [name: ElementLossName, parameter: number, values: number[]][];
  readonly logits: number[];
  readonly labels: number[];
  readonly weights: number[];
  readonly crossEntropy: number;
}

/** Made by test/golden/losses.py. */
const GOLDEN = JSON.parse(
  readFileSync(new URL('../../../test/golden/loss-values.json', import.meta.url), 'utf8'),
) as Golden;

const OPTIONS = { huberDelta: 0.8, quantiles: [0.2, 0.7], labelSmoothing: 0.15 };

describe('losses of the reference', () => {
  it('have the slopes of their difference quotients', () => {
    for (const loss of LOSSES) {
      const rows = loss === 'quantile' ? 4 : 3;
      const z = Float64Array.from({ length: rows * 4 }, (_, i) => Math.sin(5 * i + 1));
      const y = Float64Array.from({ length: rows * 4 }, (_, i) =>
        loss === 'cross-entropy' ? i % 3 : loss === 'poisson' ? i % 4 : i % 2,
      );
      const of = { loss, lossOptions: OPTIONS, weights: [0.5, 0, 2, 1] };
      const targets = dense(rows, 4, y);
      const lossAt = (values: Float64Array) =>
        referenceLoss(of, dense(rows, 4, values), targets).loss;
      const { gradient } = referenceLoss(of, dense(rows, 4, z), targets);
      for (const i of z.keys()) {
        const moved = (by: number) => lossAt(z.map((value, k) => (k === i ? value + by : value)));
        const quotient = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert.ok(Math.abs(quotient - gradient.data[i]) < 1e-8, `${loss} ${i} ${quotient}`);
      }
    }
  });

  it('are those of scikit-learn', () => {
    const [y, z] = [GOLDEN.truth, GOLDEN.raw];
    for (const [name, parameter, want] of GOLDEN.element) {
      for (const [i, value] of want.entries()) {
        const target = name === 'binary-cross-entropy' ? Math.min(1, y[i] ?? 0) : (y[i] ?? 0);
        const found = REFERENCE_LOSSES[name].value(z[i] ?? 0, target, parameter);
        assert.ok(Math.abs(found - value) < 1e-12, `${name} ${i} ${found} ${value}`);
      }
    }
    const { logits, labels, weights, crossEntropy } = GOLDEN;
    const of = { loss: 'cross-entropy', lossOptions: USUAL_LOSS, weights };
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const columns = labels.length;
    const { loss } = referenceLoss(of, dense(3, columns, logits), dense(1, columns, labels));
    assert.ok(Math.abs((loss * columns) / total - crossEntropy) < 1e-12, String(loss));
  });
});
