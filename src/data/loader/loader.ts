import { Worker } from 'node:worker_threads';
import { DataError } from '../../base/errors.js';
import { workerOptions } from '../../base/worker-options.js';
import type { BatchOptions } from './batch-options.js';
import type { Batch, BatchReader } from './batches.js';
import { answerRows, type BatchFiller, checkBatchOptions, createBatchFiller } from './fill.js';
import { closeRing, createRing, failRing, type LoaderHandle, RingReader } from './ring.js';
import { columnsPerBatch, ScheduleCursor } from './batch-schedule.js';
import type { LoaderWorkerData } from './loader-worker.js';

export type { LoaderHandle } from './ring.js';

/** What batches a loader makes, and for whom. */
export interface LoaderOptions extends BatchOptions {
  /** Ranks that read every batch. */
  readonly consumers: number;
  /** Batches made in advance, including the one in use. Default 4. */
  readonly slots?: number;
  /** Longest wait of a rank for one batch. Default 300. */
  readonly timeoutS?: number;
}

/** A thread that makes batches ahead of the ranks. */
export interface Loader {
  /** For `openBatches` in each rank, in this thread or another. */
  readonly handle: LoaderHandle;
  /** Rejects when loading fails; readers then fail too. Never fulfils. */
  readonly failed: Promise<never>;
  /** Ends the loader thread; readers that still wait fail. Does nothing the second time. */
  close(): Promise<void>;
}

/**
 * Starts a thread that makes the batches of a schedule ahead of the ranks that read them.
 *
 * @throws ConfigError, ShapeError or DataError for options that cannot be served.
 */
export function startLoader(options: LoaderOptions): Loader {
  const { consumers, slots = 4, timeoutS = 300, ...batchOptions } = options;
  checkBatchOptions(batchOptions);
  const { data, schedule } = batchOptions;
  const { features } = data.training;
  const rows = answerRows(batchOptions);
  const handle = createRing({
    consumers,
    slotCount: slots,
    features,
    answerRows: rows,
    schedule,
    timeoutS,
  });
  const workerData: LoaderWorkerData = { handle, options: batchOptions };
  const worker = new Worker(new URL('./loader-worker.js', import.meta.url), {
    workerData,
    ...workerOptions(),
  });
  // Ranks keep the process alive, not what reads ahead for them.
  worker.unref();
  const failed = new Promise<never>((_, reject) => {
    const fail = (what: string, cause?: unknown) => {
      failRing(handle, what);
      reject(new DataError('batches', `loading failed: ${what}`, { cause }));
    };
    worker.on('message', (what: string) => fail(what));
    worker.on('error', (error: Error) => fail(error.message, error));
    worker.on('exit', (code) => {
      if (code !== 0) fail(`the loader thread ended with code ${code}`);
    });
  });
  // Whoever does not wait for failures hears of them from the readers.
  failed.catch(() => {});
  const close = async (): Promise<void> => {
    closeRing(handle);
    await worker.terminate();
  };
  return { handle, failed, close };
}

/**
 * Opens the loader's batches for a rank.
 *
 * @param consumer 0 … consumers − 1, each used by one reader
 */
export function openBatches(handle: LoaderHandle, consumer: number): BatchReader {
  return new RingReader(handle, consumer);
}

/**
 * The same batches made in the calling thread, when they are asked for.
 *
 * @throws ConfigError, ShapeError or DataError for options that cannot be served.
 */
export function inlineBatches(options: BatchOptions): BatchReader {
  return new InlineReader(options);
}

class InlineReader implements BatchReader {
  private readonly filler: BatchFiller;
  private readonly cursor: ScheduleCursor;
  private readonly batch: { -readonly [K in keyof Batch]: Batch[K] };

  constructor(options: BatchOptions) {
    this.filler = createBatchFiller(options);
    this.cursor = new ScheduleCursor(options.schedule);
    const columns = columnsPerBatch(options.schedule);
    this.batch = {
      kind: 'training',
      step: 0,
      microBatch: 0,
      index: 0,
      columns,
      validColumns: columns,
      x: new Float32Array(options.data.training.features * columns),
      y: new Float32Array(answerRows(options) * columns),
    };
  }

  next(): Batch | null {
    const { batch, cursor } = this;
    if (!cursor.advance()) return null;
    this.filler.write(cursor, batch.x, batch.y);
    batch.kind = cursor.kind;
    batch.step = cursor.step;
    batch.microBatch = cursor.microBatch;
    batch.index = cursor.index;
    batch.validColumns = cursor.validColumns;
    return batch;
  }
}
