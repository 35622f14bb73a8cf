import { type LossOptions, USUAL_LOSS } from '../layers/loss-names.js';
import type { TrainingSettings } from './settings.js';

/** What settings say of the loss; those of an older run may not say all. */
export function lossOptionsOf(settings: Partial<TrainingSettings>): LossOptions {
  const { huberDelta, quantiles, labelSmoothing } = { ...USUAL_LOSS, ...settings };
  return {
    huberDelta,
    quantiles: [...new Set(quantiles)].toSorted((a, b) => a - b),
    labelSmoothing,
  };
}
