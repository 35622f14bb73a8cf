import { closeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { DataError } from '../../errors.js';
import type { TableDataset } from '../dataset.js';
import { openFile } from '../files.js';
import type { ParquetRequest } from './parquet-worker.js';
import { makeTable, type RawTable, type ReadOptions } from './table.js';

const WHERE = 'parquet';
/** Decoded values are JavaScript numbers in arrays: about this many times the file's bytes. */
const HEAP_PER_FILE_BYTE = 64;
const LEAST_HEAP_MB = 256;
const MOST_HEAP_MB = 8192;

/**
 * Reads a Parquet file: `x` and `y` as lists of numbers, or columns of numbers as in a CSV file.
 *
 * The decoder trusts the counts that it finds, so it runs in a thread whose heap is bounded by the
 * file's size: a hostile count ends the thread and not the process.
 *
 * @throws DataError
 */
export async function readParquet(path: string, options: ReadOptions): Promise<TableDataset> {
  const file = openFile(WHERE, path);
  closeSync(file.fd);
  const heapMb = Math.ceil((file.sizeBytes * HEAP_PER_FILE_BYTE) / 2 ** 20);
  const request: ParquetRequest = { path, targets: options.targets };
  const worker = new Worker(new URL('./parquet-worker.js', import.meta.url), {
    workerData: request,
    resourceLimits: {
      maxOldGenerationSizeMb: Math.min(MOST_HEAP_MB, LEAST_HEAP_MB + heapMb),
    },
  });
  try {
    return makeTable(await answerOf(worker, path), options);
  } finally {
    await worker.terminate();
  }
}

function answerOf(worker: Worker, path: string): Promise<RawTable> {
  return new Promise((resolve, reject) => {
    worker.on('message', (answer: { table: RawTable } | { failure: string }) => {
      if ('table' in answer) resolve(answer.table);
      else reject(new DataError(WHERE, answer.failure));
    });
    worker.on('error', (cause: NodeJS.ErrnoException) => {
      const what =
        cause.code === 'ERR_WORKER_OUT_OF_MEMORY'
          ? 'claims far more values than its size holds; it is damaged, or split it'
          : cause.message;
      reject(new DataError(WHERE, `${path}: ${what}`, { cause }));
    });
    worker.on('exit', (code) => {
      reject(new DataError(WHERE, `${path}: the decoding thread ended with code ${code}`));
    });
  });
}
