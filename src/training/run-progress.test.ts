import assert from 'node:assert/strict';
import test from 'node:test';
import { NO_PROGRESS } from '../checkpoints/training-progress.js';
import { type ProgressSettings, RunProgress } from './run-progress.js';

const SETTINGS: ProgressSettings = {
  bestBy: 'loss',
  earlyStopping: 3,
  schedule: 'plateau',
  plateauFactor: 0.5,
  plateauPatience: 2,
};

/** Takes losses one validation after another. */
function follow(progress: RunProgress, losses: readonly number[]) {
  return losses.map((loss, i) => {
    const best = progress.validated(i + 1, { loss, values: {} }, true);
    return [best, progress.rateFactor, progress.stops] as const;
  });
}

test('the rate falls after two validations without a better one, the run stops after three', () => {
  assert.deepEqual(follow(new RunProgress(SETTINGS, NO_PROGRESS), [3, 4, 2, 2, 2.5, 2.5, 1]), [
    [true, 1, false],
    [false, 1, false],
    [true, 1, false],
    [false, 1, false],
    [false, 0.5, false],
    [false, 0.5, true],
    [true, 0.5, false],
  ]);
});

test('what is decided does not depend on where a run was cut off', () => {
  const losses = [3, 4, 2, 2, 2.5, 2.5, 2.5, 2.5, 1];
  const whole = follow(new RunProgress(SETTINGS, NO_PROGRESS), losses);
  for (const cut of losses.keys()) {
    const first = new RunProgress(SETTINGS, NO_PROGRESS);
    const before = follow(first, losses.slice(0, cut));
    // A last validation off the beat may be the best, but changes no decision.
    first.validated(cut, { loss: 1.5, values: {} }, false);
    const read = JSON.parse(JSON.stringify(first.state)) as typeof first.state;
    const rest = follow(new RunProgress(SETTINGS, read), losses.slice(cut));
    const decisions = [...before, ...rest].map(([, ...decided]) => decided);
    assert.deepEqual(
      decisions,
      whole.map(([, ...decided]) => decided),
    );
  }
});

test('of some measures more is better, and what is not defined is no best', () => {
  const progress = new RunProgress({ ...SETTINGS, bestBy: 'rocAuc' }, NO_PROGRESS);
  const seen = [0.5, null, 0.7, 0.6].map((rocAuc, i) =>
    progress.validated(i, { loss: 1, values: { rocAuc } }, true),
  );
  assert.deepEqual(seen, [true, false, true, false]);
  assert.deepEqual(progress.state.best, { by: 'rocAuc', value: 0.7, step: 2 });
});
