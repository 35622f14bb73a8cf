import { ConfigError } from '../../base/errors.js';

/** Which batches a run reads, in order; loader and ranks each walk it without talking. */
export type BatchSchedule = TrainingSchedule | EvaluationSchedule;

/** The batches of training steps, and of the validations between them. */
export interface TrainingSchedule {
  /** Steps already done: a run resumed at step s continues with batch s. */
  readonly firstStep: number;
  /** Steps done when the run ends, those before `firstStep` included. */
  readonly steps: number;
  /** Columns of a step, over all its micro-batches. */
  readonly batchSize: number;
  /** Data-parallel replicas, and which one these batches are for; default: one. Replica r of D
   * reads batch t·D + r of the stream in step t. */
  readonly replicas?: number;
  readonly replica?: number;
  /** Parts that a step's columns are read in; divides `batchSize`. */
  readonly microBatches: number;
  /** Rows read at each validation, from the first on; 0 without a validation part. */
  readonly validationRows: number;
  /** Steps between validations; the last step is validated too. 0 for never. */
  readonly validateEvery: number;
}

/** Passes over the first rows of the validation part, or of the training part where there is none:
 * validation batches alone. */
export interface EvaluationSchedule {
  readonly passes: number;
  readonly batchSize: number;
  readonly validationRows: number;
}

/** @throws ConfigError for sizes that do not fit one another. */
export function checkSchedule(schedule: BatchSchedule): void {
  for (const [name, value] of Object.entries(schedule)) {
    const least = name === 'batchSize' || name === 'microBatches' ? 1 : 0;
    if (Number.isSafeInteger(value) && value >= least) continue;
    throw new ConfigError('batches', `${name} ${value}; an integer of at least ${least} is needed`);
  }
  if (isEvaluation(schedule)) return;
  const { batchSize, microBatches } = schedule;
  if (batchSize % microBatches === 0) return;
  throw new ConfigError(
    'batches',
    `batch size ${batchSize} in ${microBatches} micro-batches; the parts must be equal`,
  );
}

export function isEvaluation(schedule: BatchSchedule): schedule is EvaluationSchedule {
  return 'passes' in schedule;
}

/** Columns of every batch that is read. */
export function columnsPerBatch(schedule: BatchSchedule): number {
  return isEvaluation(schedule) ? schedule.batchSize : schedule.batchSize / schedule.microBatches;
}

/** Whether the run is validated after step `step`, counted from 0. */
export function validatesAfter(schedule: TrainingSchedule, step: number): boolean {
  const { steps, validationRows, validateEvery } = schedule;
  if (validateEvery === 0 || validationRows === 0) return false;
  return (step + 1) % validateEvery === 0 || step + 1 === steps;
}

/** Batches of one validation; the last may have fewer valid columns. */
export function validationBatches(schedule: BatchSchedule): number {
  return Math.ceil(schedule.validationRows / columnsPerBatch(schedule));
}

/**
 * A position in the schedule: the micro-batches of a step, then, where the step is validated, the
 * validation batches; of an evaluation these alone. Fields change in place, so that walking allocates nothing.
 */
export class ScheduleCursor {
  kind: 'training' | 'validation' = 'training';
  /** The training step, from 0, that the batch belongs to or that was validated; of an evaluation
   * the pass. */
  step: number;
  /** Part of the step's columns, from 0; 0 for validation. */
  microBatch = -1;
  /** Validation batch, from 0; 0 for training. */
  index = 0;
  /** Columns that hold rows; the others repeat row 0. */
  validColumns: number;
  private readonly schedule: BatchSchedule;

  constructor(schedule: BatchSchedule) {
    checkSchedule(schedule);
    this.schedule = schedule;
    this.step = isEvaluation(schedule) ? 0 : schedule.firstStep;
    this.validColumns = columnsPerBatch(schedule);
  }

  /** Moves to the first or next batch; false when there is none. */
  advance(): boolean {
    const { schedule } = this;
    if (isEvaluation(schedule)) return this.advanceEvaluation(schedule);
    if (this.step >= schedule.steps) return false;
    if (this.kind === 'training') {
      if (++this.microBatch < schedule.microBatches) return true;
      if (validatesAfter(schedule, this.step)) return this.toValidation(0);
      return this.toStep(this.step + 1, schedule.steps);
    }
    const next = this.index + 1;
    return next < validationBatches(schedule)
      ? this.toValidation(next)
      : this.toStep(this.step + 1, schedule.steps);
  }

  private advanceEvaluation(schedule: EvaluationSchedule): boolean {
    const next = this.kind === 'training' ? 0 : this.index + 1;
    if (next < validationBatches(schedule))
      return this.step < schedule.passes && this.toValidation(next);
    this.step++;
    return schedule.validationRows > 0 && this.step < schedule.passes && this.toValidation(0);
  }

  private toValidation(index: number): boolean {
    const columns = columnsPerBatch(this.schedule);
    this.kind = 'validation';
    this.microBatch = 0;
    this.index = index;
    this.validColumns = Math.min(columns, this.schedule.validationRows - index * columns);
    return true;
  }

  private toStep(step: number, steps: number): boolean {
    this.kind = 'training';
    this.step = step;
    this.microBatch = 0;
    this.index = 0;
    this.validColumns = columnsPerBatch(this.schedule);
    return step < steps;
  }
}
