import assert from 'node:assert/strict';
import test from 'node:test';
import { NO_PROGRESS } from '../checkpoints/training-progress.js';
import { followLoss, hasDiverged } from './divergence.js';

/** Steps after which a run ends as diverged; null: it goes on to its end. */
function divergedAfter(losses: readonly number[], samples = 4): number | null {
  let trend = NO_PROGRESS.losses;
  for (const [i, loss] of losses.entries()) {
    trend = followLoss(trend, loss, samples);
    if (hasDiverged(trend, i === losses.length - 1)) return i + 1;
  }
  return null;
}

const steps = (count: number, loss: number) => Array.from({ length: count }, () => loss);

test('50 losses in a row far above the first ones are a divergence', () => {
  assert.equal(divergedAfter([2, 3, ...steps(6, 2), ...steps(100, 31)]), 58);
  assert.equal(divergedAfter([...steps(10, 2), ...steps(49, 31), 2, ...steps(60, 1)]), null);
  assert.equal(divergedAfter([2, 3, ...steps(6, 2), ...steps(100, 29)]), null);
});

test('a rate that is far too high shows in the second step', () => {
  assert.equal(divergedAfter([2, ...steps(100, 50)], 32), 51);
  assert.equal(divergedAfter([2, ...steps(100, 50)], 4), null);
});

test('of a short run the last 10 are enough', () => {
  assert.equal(divergedAfter([...steps(10, 2), ...steps(10, 21)]), 20);
  assert.equal(divergedAfter([...steps(10, 2), ...steps(9, 21)]), null);
});

test('a model that is trained on may begin near zero', () => {
  assert.equal(divergedAfter([...steps(10, 1e-4), ...steps(100, 0.5)]), null);
  assert.equal(divergedAfter([...steps(10, 1e-4), ...steps(100, 5)]), 60);
});
