import { ConfigError } from '../base/errors.js';
import { type LossOptions, USUAL_LOSS } from '../layers/loss-names.js';
import type { TrainingSettings } from './settings.js';

/**
 * What settings say of the loss; those of an older run may not say all.
 *
 * @throws ConfigError where those of a file are not numbers
 */
export function lossOptionsOf(settings: Partial<TrainingSettings>): LossOptions {
  const { huberDelta, quantiles, labelSmoothing } = { ...USUAL_LOSS, ...settings };
  const isList = Array.isArray(quantiles);
  for (const value of [huberDelta, labelSmoothing, ...(isList ? quantiles : [Number.NaN])]) {
    if (Number.isFinite(value)) continue;
    const found = JSON.stringify({ huberDelta, labelSmoothing, quantiles });
    throw new ConfigError('loss', `settings ${found}; all of them are numbers, quantiles a list`);
  }
  return {
    huberDelta,
    quantiles: [...new Set(quantiles)].toSorted((a, b) => a - b),
    labelSmoothing,
  };
}
