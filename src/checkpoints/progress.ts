import { formatLoss } from '../base/format.js';
import { type MetricName, metricText } from '../metrics/metric-names.js';

/** The best validation of a run. */
export interface BestValidation {
  /** What it is the best by. */
  readonly by: 'loss' | MetricName;
  readonly value: number;
  /** Optimizer steps done then. */
  readonly step: number;
}

/** What validations on the beat say of how to go on. The one after the last step is left out where
 * it is off the beat: a longer run has none there. */
export interface ValidationTrend {
  /** The best so far; null: none yet. */
  readonly best: number | null;
  /** Validations since then. */
  readonly sinceBest: number;
  /** Those of them since the learning rate last fell. */
  readonly sinceFall: number;
  /** What the learning rate is multiplied by. */
  readonly rateFactor: number;
}

/** What a run has seen so far that decides how it goes on: a part of every checkpoint. */
export interface TrainingProgress {
  /** null: nothing was validated, or no best was wanted. */
  readonly best: BestValidation | null;
  readonly trend: ValidationTrend;
}

/** That of a run at its start, and of checkpoints that have none. */
export const NO_PROGRESS: TrainingProgress = {
  best: null,
  trend: { best: null, sinceBest: 0, sinceFall: 0, rateFactor: 1 },
};

/** Whether a value from a file is the progress of a run. */
export function isProgress(value: unknown): value is TrainingProgress {
  const { best, trend } = (value ?? {}) as Partial<TrainingProgress>;
  const isNumber = (one: unknown) => typeof one === 'number';
  const isBest = best === null || (isNumber(best?.value) && isNumber(best?.step));
  const { best: least, ...counts } = trend ?? {};
  const isTrend = Object.keys(NO_PROGRESS.trend).length === Object.keys(trend ?? {}).length;
  return isBest && isTrend && Object.values({ ...counts, least: least ?? 0 }).every(isNumber);
}

/** `validation loss 0.3125`, `validation RMSE 4.21` */
export function bestText({ by, value }: Pick<BestValidation, 'by' | 'value'>): string {
  return `validation ${by === 'loss' ? `loss ${formatLoss(value)}` : metricText(by, value)}`;
}
