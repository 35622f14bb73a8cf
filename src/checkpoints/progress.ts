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

/** What a run has seen so far that decides how it goes on: a part of every checkpoint. */
export interface TrainingProgress {
  /** null: nothing was validated, or no best was wanted. */
  readonly best: BestValidation | null;
}

/** That of a run at its start, and of checkpoints that have none. */
export const NO_PROGRESS: TrainingProgress = { best: null };

/** `validation loss 0.3125`, `validation RMSE 4.21` */
export function bestText({ by, value }: BestValidation): string {
  return `validation ${by === 'loss' ? `loss ${formatLoss(value)}` : metricText(by, value)}`;
}
