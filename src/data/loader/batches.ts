/** One batch of columns, feature-major. */
export interface Batch {
  readonly kind: 'training' | 'validation';
  /** The training step, from 0, that the batch belongs to or that was validated. */
  readonly step: number;
  /** Part of the step's columns, from 0; 0 for validation. */
  readonly microBatch: number;
  /** Validation batch, from 0; 0 for training. */
  readonly index: number;
  readonly columns: number;
  /** Columns that hold rows; the others repeat row 0 and must not count. */
  readonly validColumns: number;
  /** [features, columns] */
  readonly x: Float32Array;
  /** Labels: [columns], class indices. One-hot labels: [classes, columns]. Values:
   * [width, columns]. Where samples have weights, one more row. */
  readonly y: Float32Array;
}

/** Hands out the batches of a schedule, in order. */
export interface BatchReader {
  /**
   * The next batch, waiting until it is ready; null after the last. The batch and its arrays are
   * the reader's own and valid until the next call.
   *
   * @throws DataError when loading failed, with the cause, or took too long.
   */
  next(): Batch | null;
}
