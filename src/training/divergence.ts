import type { LossTrend } from '../checkpoints/training-progress.js';

/** Samples whose losses say what a loss of this run is at first: of large batches those of one step,
 * as a rate that is far too high shows in the second. */
const FIRST_SAMPLES = 32;
/** A loss so many times the largest of them, and above 1, is too far: a model that is trained on may
 * begin near 0. */
const TOO_FAR = 10;
const LEAST = 1;
/** Steps in a row that are too far above: a single batch, or a rise that goes back, is no divergence. */
const STEPS_ABOVE = 50;
/** The same at the end of the run, which may be short. */
const STEPS_ABOVE_AT_END = 10;

/** Takes the loss of a step of so many samples. */
export function followLoss(trend: LossTrend, loss: number, samples: number): LossTrend {
  const { samples: seen, first, above } = trend;
  if (seen < FIRST_SAMPLES) {
    return { samples: seen + samples, first: Math.max(first, loss), above: 0 };
  }
  return { samples: seen, first, above: loss > Math.max(LEAST, TOO_FAR * first) ? above + 1 : 0 };
}

/**
 * Whether training has diverged: the losses of 50 steps in a row, or of the last 10 of a run, are
 * each above 1 and more than 10 times the first one, or the largest of the first 32 samples.
 */
export function hasDiverged({ above }: LossTrend, isLast: boolean): boolean {
  return above >= (isLast ? STEPS_ABOVE_AT_END : STEPS_ABOVE);
}

export const DIVERGENCE_ADVICE =
  `training diverged: the loss stayed above ${TOO_FAR} times that at first; use a ` +
  'smaller --lr, --clip-norm 1 or a longer --warmup';
