import { DataError, ShapeError } from '../../base/errors.js';
import { type Dataset, isWeighted, type TableDataset, type TeacherDataset } from '../dataset.js';
import { createSampler } from '../sampler.js';
import { Teacher } from '../synthetic/teacher.js';
import {
  type BatchSchedule,
  checkSchedule,
  columnsPerBatch,
  isEvaluation,
  type ScheduleCursor,
} from './batch-schedule.js';
import type { BatchOptions, ColumnWriter } from './batch-options.js';
import { affine, gatherColumns, gatherValues } from './columns.js';
import type { BatchOrder } from './read-ahead.js';
import { recordsWriter } from './records-writer.js';

/** Rows of `Batch.y`. */
export function answerRows({
  data,
  oneHot,
  weighting = null,
}: Pick<BatchOptions, 'data' | 'oneHot' | 'weighting'>): number {
  const { answers } = data.training;
  const weights = weighting === null ? 0 : 1;
  if (answers.kind === 'values') return answers.width + weights;
  return (oneHot ? answers.classes : 1) + weights;
}

/**
 * @throws ConfigError, ShapeError or DataError for options that cannot be served.
 */
export function checkBatchOptions(options: BatchOptions): void {
  const { data, schedule, standardization } = options;
  const { training, validation } = data;
  checkSchedule(schedule);
  if (!(training.rows > 0)) {
    throw new DataError('batches', `${training.name}: no rows; at least one is needed`);
  }
  const there = (validation ?? (isEvaluation(schedule) ? training : null))?.rows ?? 0;
  if (schedule.validationRows > there) {
    throw new DataError(
      'batches',
      `${schedule.validationRows} validation rows of ${there} in the data`,
    );
  }
  const { mean, scale } = standardization ?? {};
  for (const part of [mean, scale]) {
    if (part === undefined || part.length === training.features) continue;
    throw new ShapeError(
      'batches',
      `standardization of ${part.length} features; the data has ${training.features}`,
    );
  }
}

/** Writes the batch a cursor points to. */
export interface BatchFiller {
  write(cursor: ScheduleCursor, x_FB: Float32Array, y: Float32Array): void;
}

export function createBatchFiller(options: BatchOptions): BatchFiller {
  return new Filler(options);
}

class Filler implements BatchFiller {
  private readonly schedule: BatchSchedule;
  /** Null where the training rows' reader asks it by itself, ahead of the batches. */
  private readonly order: BatchOrder | null;
  private readonly rows: Float64Array;
  private readonly training: ColumnWriter;
  private readonly validation: ColumnWriter | null;

  constructor(options: BatchOptions) {
    const { data, schedule } = options;
    checkBatchOptions(options);
    this.schedule = schedule;
    this.rows = new Float64Array(columnsPerBatch(schedule));
    const order = trainingOrder(options);
    const isAhead = data.training.kind === 'records' && 'path' in data.training.source;
    this.order = isAhead ? null : order;
    this.training = weighing(data.training, options, order);
    const evaluated = data.validation ?? (isEvaluation(schedule) ? data.training : null);
    this.validation = evaluated && weighing(evaluated, options, null);
  }

  write(cursor: ScheduleCursor, x_FB: Float32Array, y: Float32Array): void {
    const { schedule, rows } = this;
    if (cursor.kind === 'training' && !isEvaluation(schedule)) {
      const step = cursor.step - schedule.firstStep;
      this.order?.rowsOf(step * schedule.microBatches + cursor.microBatch, rows);
      this.training(rows, x_FB, y);
      return;
    }
    for (let c = 0; c < rows.length; c++) {
      rows[c] = c < cursor.validColumns ? cursor.index * rows.length + c : 0;
    }
    this.validation?.(rows, x_FB, y);
  }
}

/** The training rows of each micro-batch from the schedule's first step on; null of an evaluation. */
function trainingOrder(options: BatchOptions): BatchOrder | null {
  const { data, schedule, seed = 0, shuffle = false } = options;
  if (isEvaluation(schedule)) return null;
  const { firstStep, steps, batchSize, microBatches, replicas = 1, replica = 0 } = schedule;
  const columns = columnsPerBatch(schedule);
  const sampler = createSampler(data.training.rows, seed, shuffle);
  return {
    batches: Math.max(0, steps - firstStep) * microBatches,
    columns,
    rowsOf(batch, out) {
      const step = firstStep + Math.floor(batch / microBatches);
      const first = (step * replicas + replica) * batchSize;
      sampler.rowsAt(first + (batch % microBatches) * columns, out);
    },
  };
}

/** Writes the weights of the samples behind the answers, where they have some.
 * @param order of training rows; null of others */
function weighing(dataset: Dataset, options: BatchOptions, order: BatchOrder | null): ColumnWriter {
  const write = columnWriter(dataset, options, order);
  const { weighting = null, oneHot } = options;
  if (weighting === null) return write;
  const { factor, classWeights } = weighting;
  const haveOwn = isWeighted(dataset);
  return (rows, x_FB, y) => {
    const columns = rows.length;
    const weights = y.subarray(y.length - columns);
    write(rows, x_FB, y);
    if (!haveOwn) weights.fill(1);
    if (order === null) return;
    for (let c = 0; c < columns; c++) {
      let label = y[c] as number;
      if (oneHot) for (label = 0; y[label * columns + c] !== 1;) label++;
      const ofClass = classWeights === null ? 1 : (classWeights[label] as number);
      weights[c] = (weights[c] as number) * factor * ofClass;
    }
  };
}

function columnWriter(
  dataset: Dataset,
  options: BatchOptions,
  order: BatchOrder | null,
): ColumnWriter {
  switch (dataset.kind) {
    case 'table':
      return tableWriter(dataset, options);
    case 'records':
      return recordsWriter(dataset, options, order);
    default:
      return teacherWriter(dataset, options);
  }
}

function tableWriter(dataset: TableDataset, options: BatchOptions): ColumnWriter {
  const { x, features, answers, weights } = dataset;
  const { standardization, oneHot, weighting = null } = options;
  const input = { values: x, width: features, affine: affine(standardization, features) };
  return (rows, x_FB, y) => {
    gatherColumns(input, rows, x_FB);
    if (weighting !== null && weights !== undefined) {
      gatherValues(weights, 1, rows, y.subarray(y.length - rows.length));
    }
    if (answers.kind === 'values') {
      gatherValues(answers.values, answers.width, rows, y);
      return;
    }
    if (oneHot) y.fill(0, 0, answers.classes * rows.length);
    for (let c = 0; c < rows.length; c++) {
      const label = answers.labels[rows[c] as number] as number;
      if (oneHot) y[label * rows.length + c] = 1;
      else y[c] = label;
    }
  };
}

function teacherWriter(dataset: TeacherDataset, options: BatchOptions): ColumnWriter {
  const teacher = new Teacher(dataset);
  const { answers, features } = dataset;
  const { standardization, oneHot } = options;
  return (rows, x_FB, y) => {
    const columns = rows.length;
    const outputs = teacher.compute(rows, x_FB);
    if (standardization !== null) {
      for (let i = 0; i < features * columns; i++) {
        const f = Math.floor(i / columns);
        const shifted = (x_FB[i] as number) - (standardization.mean[f] as number);
        x_FB[i] = shifted * (1 / (standardization.scale[f] as number));
      }
    }
    if (answers.kind === 'values') {
      y.set(outputs.subarray(0, answers.width * columns));
      return;
    }
    if (oneHot) y.fill(0);
    for (let c = 0; c < columns; c++) {
      let best = 0;
      for (let o = 1; o < answers.classes; o++) {
        if ((outputs[o * columns + c] as number) > (outputs[best * columns + c] as number))
          best = o;
      }
      if (oneHot) y[best * columns + c] = 1;
      else y[c] = best;
    }
  };
}
