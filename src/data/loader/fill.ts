import { openSync } from 'node:fs';
import { DataError, ShapeError } from '../../base/errors.js';
import type {
  DataParts,
  Dataset,
  RecordsDataset,
  TableDataset,
  TeacherDataset,
} from '../dataset.js';
import { createSampler, type Sampler } from '../sampler.js';
import type { Standardization } from '../standardize.js';
import { readWhole } from '../tables/row-store.js';
import { Teacher } from '../synthetic/teacher.js';
import {
  type BatchSchedule,
  checkSchedule,
  columnsPerBatch,
  isEvaluation,
  type ScheduleCursor,
} from './batch-schedule.js';

/** Everything that decides what the batches hold. Plain data: can be posted to a thread. */
export interface BatchOptions {
  readonly data: DataParts;
  /** What `fitStandardization` found on the training part; null to use x as it is. */
  readonly standardization: Standardization | null;
  readonly schedule: BatchSchedule;
  /** Of the order of the training rows. Default: 0. */
  readonly seed?: number;
  /** Default: training rows come as they are in the data. */
  readonly shuffle?: boolean;
  /** Mean and scale of every number that is predicted; null or missing: as they are. */
  readonly targetScaling?: Standardization | null;
  /** Write labels as [classes, columns] of zeros and ones, for a squared error on labels. */
  readonly oneHot: boolean;
  /** How much samples count; null or missing: all the same. */
  readonly weighting?: Weighting | null;
}

/** Weights of samples: of a training row factor · its own weight · that of its class, of another its
 * own. Where rows have no weights they are 1. */
export interface Weighting {
  readonly factor: number;
  /** By class index; null: 1. */
  readonly classWeights: readonly number[] | null;
}

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
  private readonly columns: number;
  private readonly sampler: Sampler;
  private readonly rows: Float64Array;
  private readonly training: ColumnWriter;
  private readonly validation: ColumnWriter | null;

  constructor(options: BatchOptions) {
    const { data, schedule, seed = 0, shuffle = false } = options;
    checkBatchOptions(options);
    this.schedule = schedule;
    this.columns = columnsPerBatch(schedule);
    this.rows = new Float64Array(this.columns);
    this.sampler = createSampler(data.training.rows, seed, shuffle);
    this.training = weighing(data.training, options, true);
    const evaluated = data.validation ?? (isEvaluation(schedule) ? data.training : null);
    this.validation = evaluated && weighing(evaluated, options, false);
  }

  write(cursor: ScheduleCursor, x_FB: Float32Array, y: Float32Array): void {
    const { columns, rows } = this;
    const { schedule } = this;
    if (cursor.kind === 'training' && !isEvaluation(schedule)) {
      const { batchSize, replicas = 1, replica = 0 } = schedule;
      const batch = cursor.step * replicas + replica;
      const first = batch * batchSize + cursor.microBatch * columns;
      this.sampler.rowsAt(first, rows);
      this.training(rows, x_FB, y);
      return;
    }
    for (let c = 0; c < columns; c++) {
      rows[c] = c < cursor.validColumns ? cursor.index * columns + c : 0;
    }
    this.validation?.(rows, x_FB, y);
  }
}

type ColumnWriter = (rows: Float64Array, x_FB: Float32Array, y: Float32Array) => void;

/** Writes the weights of the samples behind the answers, where they have some. */
function weighing(dataset: Dataset, options: BatchOptions, isTraining: boolean): ColumnWriter {
  const write = columnWriter(dataset, options);
  const { weighting = null, oneHot } = options;
  if (weighting === null) return write;
  const { factor, classWeights } = weighting;
  const haveOwn = dataset.kind === 'records' && dataset.weighted;
  return (rows, x_FB, y) => {
    const columns = rows.length;
    const weights = y.subarray(y.length - columns);
    write(rows, x_FB, y);
    if (!haveOwn) weights.fill(1);
    if (!isTraining) return;
    for (let c = 0; c < columns; c++) {
      let label = y[c] as number;
      if (oneHot) for (label = 0; y[label * columns + c] !== 1;) label++;
      const ofClass = classWeights === null ? 1 : (classWeights[label] as number);
      weights[c] = (weights[c] as number) * factor * ofClass;
    }
  };
}

function columnWriter(dataset: Dataset, options: BatchOptions): ColumnWriter {
  switch (dataset.kind) {
    case 'table':
      return tableWriter(dataset, options);
    case 'records':
      return recordsWriter(dataset, options);
    default:
      return teacherWriter(dataset, options);
  }
}

/** Standardization as a shift and a factor of every feature. */
function affine(standardization: Standardization | null, features: number) {
  const shift = new Float64Array(features);
  const factor = new Float64Array(features).fill(1);
  if (standardization !== null) {
    shift.set(standardization.mean);
    for (let f = 0; f < features; f++) factor[f] = 1 / (standardization.scale[f] as number);
  }
  return { shift, factor };
}

/** Rows of records: from memory where they lie, from a file by one read for each row. */
function recordsWriter(dataset: RecordsDataset, options: BatchOptions): ColumnWriter {
  const { record, source, features, answers, name } = dataset;
  const { standardization, oneHot, targetScaling = null, weighting = null } = options;
  const hasWeights = dataset.weighted && weighting !== null;
  const plain = affine(null, 1);
  const { shift, factor } = affine(standardization, features);
  const targets = answers.kind === 'values' ? answers.width : 1;
  const target = affine(answers.kind === 'values' ? targetScaling : null, targets);
  const write = (values: Float32Array, rows: Float64Array, x_FB: Float32Array, y: Float32Array) => {
    gatherColumns(values, record, rows, shift, factor, x_FB);
    if (hasWeights) {
      const weights = y.subarray(y.length - rows.length);
      gatherColumns(values, record, rows, plain.shift, plain.factor, weights, features + targets);
    }
    if (answers.kind === 'labels' && oneHot) {
      y.fill(0, 0, answers.classes * rows.length);
      for (let c = 0; c < rows.length; c++) {
        const label = values[(rows[c] as number) * record + features] as number;
        y[label * rows.length + c] = 1;
      }
      return;
    }
    gatherColumns(values, record, rows, target.shift, target.factor, y, features);
  };
  if (typeof source !== 'string') return (rows, x_FB, y) => write(source, rows, x_FB, y);
  const file = openSync(source, 'r');
  let values = new Float32Array(0);
  let places = new Float64Array(0);
  return (rows, x_FB, y) => {
    if (places.length !== rows.length) {
      values = new Float32Array(rows.length * record);
      places = Float64Array.from(rows, (_, c) => c);
    }
    const bytes = new Uint8Array(values.buffer);
    const size = 4 * record;
    for (let c = 0; c < rows.length; c++) {
      readWhole(file, bytes.subarray(c * size, (c + 1) * size), (rows[c] as number) * size, name);
    }
    write(values, places, x_FB, y);
  };
}

function tableWriter(dataset: TableDataset, options: BatchOptions): ColumnWriter {
  const { x, features, answers } = dataset;
  const { standardization, oneHot } = options;
  const { shift, factor } = affine(standardization, features);
  return (rows, x_FB, y) => {
    gatherColumns(x, features, rows, shift, factor, x_FB);
    if (answers.kind === 'values') {
      gatherValues(answers.values, answers.width, rows, y);
      return;
    }
    if (oneHot) y.fill(0);
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

/** Columns written together: 16 floats are one cache line of the output, and the 16 rows they
 * come from are read in step, one line each. */
const BLOCK = 16;

/**
 * out[f, c] = (x[rows[c], first + f] − shift[f]) · factor[f] for every f that `shift` has: gather,
 * convert and transpose in one pass.
 *
 * @param features of a row of x
 */
export function gatherColumns(
  x: Uint8Array | Float32Array,
  features: number,
  rows: Float64Array,
  shift: Float64Array,
  factor: Float64Array,
  out: Float32Array,
  firstFeature = 0,
): void {
  const columns = rows.length;
  const starts = new Float64Array(BLOCK);
  for (let first = 0; first < columns; first += BLOCK) {
    const width = Math.min(BLOCK, columns - first);
    for (let c = 0; c < width; c++) {
      starts[c] = (rows[first + c] as number) * features + firstFeature;
    }
    for (let f = 0; f < shift.length; f++) {
      const mean = shift[f] as number;
      const scale = factor[f] as number;
      const at = f * columns + first;
      for (let c = 0; c < width; c++) {
        out[at + c] = ((x[(starts[c] as number) + f] as number) - mean) * scale;
      }
    }
  }
}

function gatherValues(
  values: Float32Array,
  width: number,
  rows: Float64Array,
  out: Float32Array,
): void {
  const columns = rows.length;
  for (let c = 0; c < columns; c++) {
    const start = (rows[c] as number) * width;
    for (let t = 0; t < width; t++) out[t * columns + c] = values[start + t] as number;
  }
}
