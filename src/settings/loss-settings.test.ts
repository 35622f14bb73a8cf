import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ConfigError } from '../base/errors.js';
import type { TrainingSettings } from './settings.js';
import { lossOptionsOf } from './loss-settings.js';

it("loss settings of a changed file are refused, an older run's filled in", () => {
  const usual = lossOptionsOf({});
  assert.deepEqual(lossOptionsOf({ quantiles: [0.9, 0.1, 0.9] }), {
    ...usual,
    quantiles: [0.1, 0.9],
  });
  const changed = [{ quantiles: 0.5 }, { quantiles: [null] }, { huberDelta: 'x' }];
  for (const settings of [...changed, { labelSmoothing: null }]) {
    assert.throws(
      () => lossOptionsOf(settings as unknown as Partial<TrainingSettings>),
      (error: Error) => error instanceof ConfigError && /^\[loss\] .*numbers/.test(error.message),
    );
  }
});
