import type { DataParts } from '../dataset.js';
import type { Standardization } from '../standardize.js';
import type { BatchSchedule } from './batch-schedule.js';

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

/** Writes the batch of these rows. */
export type ColumnWriter = (rows: Float64Array, x_FB: Float32Array, y: Float32Array) => void;
