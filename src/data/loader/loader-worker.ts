// The loader thread: fills the ring of `workerData` until the schedule ends or it is closed.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { BatchOptions } from './batch-options.js';
import { createBatchFiller } from './fill.js';
import { failRing, type LoaderHandle, RingWriter } from './ring.js';
import { ScheduleCursor } from './batch-schedule.js';

export interface LoaderWorkerData {
  readonly handle: LoaderHandle;
  readonly options: BatchOptions;
}

function load({ handle, options }: LoaderWorkerData): void {
  const filler = createBatchFiller(options);
  const writer = new RingWriter(handle);
  const cursor = new ScheduleCursor(options.schedule);
  while (cursor.advance()) {
    const slot = writer.acquire();
    if (slot === null) return;
    filler.write(cursor, slot.x, slot.y);
    writer.publish();
  }
}

if (!isMainThread) {
  const data = workerData as LoaderWorkerData;
  try {
    load(data);
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    failRing(data.handle, what);
    parentPort?.postMessage(what);
  }
}
