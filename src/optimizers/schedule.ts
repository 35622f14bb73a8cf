/** The rate at a point between the warm-up's end (0) and the run's end (1), from its peak. */
type Schedule = (peak: number, progress: number) => number;

/** Linear falls as peak · (1 − progress), cosine as peak · (1 + cos(π · progress)) / 2. That of
 * plateau falls with validations (`RunProgress.rateFactor`), not with steps. */
export const SCHEDULES = {
  constant: (peak) => peak,
  linear: (peak, progress) => peak * (1 - progress),
  cosine: (peak, progress) => (peak * (1 + Math.cos(Math.PI * progress))) / 2,
  plateau: (peak) => peak,
} as const satisfies Readonly<Record<string, Schedule>>;

/** The name of a learning-rate schedule. */
export type ScheduleName = keyof typeof SCHEDULES;

/** Whether the rates of a schedule depend on the length of the run. */
export function hasHorizon(schedule: ScheduleName): boolean {
  return SCHEDULES[schedule](1, 1) !== SCHEDULES[schedule](1, 0);
}

export const SCHEDULE_NAMES = Object.keys(SCHEDULES) as ScheduleName[];

/** How learning rates follow one another over a run of `steps` steps. */
export interface LearningRates {
  readonly schedule: ScheduleName;
  readonly peak: number;
  readonly steps: number;
  readonly warmupSteps: number;
}

/**
 * The learning rate of step t (counted from 0) of T: a linear warm-up over W steps,
 * peak · (t + 1) / W, then that of the schedule at progress (t − W) / (T − W).
 */
export function learningRateAt(
  step: number,
  { schedule, peak, steps, warmupSteps }: LearningRates,
): number {
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps));
  return SCHEDULES[schedule](peak, progress);
}
