// The thread that decodes one Parquet file and posts what it found.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { PhantomError } from '../../errors.js';
import { decodeParquet } from './parquet-table.js';

export interface ParquetRequest {
  readonly path: string;
  readonly targets: readonly string[] | undefined;
}

if (!isMainThread) {
  const { path, targets } = workerData as ParquetRequest;
  try {
    parentPort?.postMessage({ table: await decodeParquet(path, targets) });
  } catch (error) {
    if (!(error instanceof PhantomError)) throw error;
    // The thread's owner puts the prefix in front again.
    parentPort?.postMessage({ failure: error.message.replace(/^\[\w+\] /, '') });
  }
}
