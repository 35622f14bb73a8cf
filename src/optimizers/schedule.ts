export type ScheduleName = 'constant' | 'linear' | 'cosine';

/**
 * The learning rate of step t (counted from 0) of T: a linear warm-up over W steps,
 * peak · (t + 1) / W, then constant, or falling towards zero at t = T: linearly,
 * peak · (T − t) / (T − W), or as half a cosine, peak · (1 + cos(π (t − W) / (T − W))) / 2.
 */
export function learningRateAt(
  schedule: ScheduleName,
  peak: number,
  step: number,
  steps: number,
  warmupSteps: number,
): number {
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  if (schedule === 'constant') return peak;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps));
  return schedule === 'linear'
    ? peak * (1 - progress)
    : (peak * (1 + Math.cos(Math.PI * progress))) / 2;
}
