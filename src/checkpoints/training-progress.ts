import { formatLoss } from '../base/format.js';
import { METRIC_NAMES, type MetricName, metricText } from '../metrics/metric-names.js';

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

/** What the losses of steps say of whether training diverges. */
export interface LossTrend {
  /** Samples that `first` is over. */
  readonly samples: number;
  /** The largest loss of the first steps. */
  readonly first: number;
  /** Steps in a row, up to now, whose losses were far above it. */
  readonly above: number;
}

/** What a run has seen so far that decides how it goes on: a part of every checkpoint. */
export interface TrainingProgress {
  /** null: nothing was validated, or no best was wanted. */
  readonly best: BestValidation | null;
  readonly trend: ValidationTrend;
  readonly losses: LossTrend;
}

/** That of a run at its start, and of checkpoints that have none. */
export const NO_PROGRESS: TrainingProgress = {
  best: null,
  trend: { best: null, sinceBest: 0, sinceFall: 0, rateFactor: 1 },
  losses: { samples: 0, first: 0, above: 0 },
};

/** Whether a value from a file is the progress of a run. */
export function isProgress(value: unknown): value is TrainingProgress {
  const { best, trend, losses } = (value ?? {}) as Partial<TrainingProgress>;
  const isNumber = (one: unknown) => typeof one === 'number';
  const isName = best?.by === 'loss' || METRIC_NAMES.includes(best?.by as MetricName);
  const isBest = best === null || (isName && isNumber(best?.value) && isNumber(best?.step));
  const { best: least, ...counts } = trend ?? {};
  const numbers = { ...counts, least: least ?? 0, ...losses };
  const expected = Object.keys({ ...NO_PROGRESS.trend, ...NO_PROGRESS.losses }).length;
  return (
    isBest && Object.keys(numbers).length === expected && Object.values(numbers).every(isNumber)
  );
}

/** `validation loss 0.3125`, `validation RMSE 4.21` */
export function bestText({ by, value }: Pick<BestValidation, 'by' | 'value'>): string {
  return `validation ${by === 'loss' ? `loss ${formatLoss(value)}` : metricText(by, value)}`;
}
