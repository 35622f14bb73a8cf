import { type ChildProcess, fork } from 'node:child_process';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DataError } from '../../base/errors.js';
import { sharedFloat32, type TableDataset } from '../dataset.js';
import { openFile } from '../files.js';
import type { ParquetAnswer, ParquetRequest } from './parquet-process.js';
import { makeTable, type ReadOptions } from './table.js';

const WHERE = 'parquet';
/** Decoded values are JavaScript numbers in arrays: about this many times the file's bytes. */
const HEAP_PER_FILE_BYTE = 64;
const LEAST_HEAP_MB = 256;
const MOST_HEAP_MB = 8192;
/** Longest time for one row group: a fixed part, and per megabyte of the file. */
const LEAST_GROUP_S = 20;
const GROUP_S_PER_MB = 1;

/**
 * Reads a Parquet file: `x` and `y` as lists of numbers, or columns of numbers as in a CSV file.
 *
 * The decoder trusts the counts that it finds. So it runs in a process whose heap and time are
 * bounded by the file's size: V8 ends a whole process, not a thread, when one array is too large.
 *
 * @param leastGroupS The fixed part of the time that one row group may take.
 * @throws DataError
 */
export async function readParquet(
  path: string,
  options: ReadOptions,
  leastGroupS = LEAST_GROUP_S,
): Promise<TableDataset> {
  const { targets } = options;
  const { child, sizeMb } = startDecoder({
    path,
    ...(targets === undefined ? {} : { targets }),
  });
  try {
    const answer = await answerOf(child, path, leastGroupS + GROUP_S_PER_MB * sizeMb);
    if (!('table' in answer)) throw new TypeError('the decoder sent no table');
    const { table } = answer;
    const x = sharedFloat32(table.x.length);
    x.set(table.x);
    return makeTable({ ...table, x }, options);
  } finally {
    child.kill('SIGKILL');
  }
}

/**
 * Reads the features of a Parquet file, [rows, features], a row group at a time.
 *
 * @param features of the network that reads them
 * @throws DataError
 */
export async function* readParquetRows(
  path: string,
  features: number,
): AsyncGenerator<Float32Array> {
  const { child, sizeMb } = startDecoder({ path, features });
  try {
    for (;;) {
      const answer = await answerOf(child, path, LEAST_GROUP_S + GROUP_S_PER_MB * sizeMb);
      if (!('rows' in answer) || answer.rows === null) return;
      yield answer.rows;
      child.send('more');
    }
  } finally {
    child.kill('SIGKILL');
  }
}

function startDecoder(request: ParquetRequest): { child: ChildProcess; sizeMb: number } {
  const file = openFile(WHERE, request.path);
  closeSync(file.fd);
  const sizeMb = file.sizeBytes / 2 ** 20;
  const heapMb = Math.min(MOST_HEAP_MB, Math.ceil(LEAST_HEAP_MB + HEAP_PER_FILE_BYTE * sizeMb));
  const program = fileURLToPath(new URL('./parquet-process.js', import.meta.url));
  const child = fork(program, [JSON.stringify(request)], {
    execArgv: [`--max-old-space-size=${heapMb}`],
    serialization: 'advanced',
    // What V8 writes when it ends the process is said in one line instead.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  return { child, sizeMb };
}

type Found = Exclude<ParquetAnswer, { progress: number } | { failure: string }>;

/** The next answer that is no progress. */
function answerOf(child: ChildProcess, path: string, groupS: number): Promise<Found> {
  return new Promise((resolve, reject) => {
    const watchdog = setTimeout(() => {
      const what = `a row group took more than ${groupS.toFixed(0)} s; the file is damaged`;
      fail(`${path}: ${what}, or write it with smaller row groups`);
    }, 1000 * groupS);
    const stop = (): void => {
      clearTimeout(watchdog);
      child.off('message', onMessage).off('error', onError).off('close', onClose);
    };
    const fail = (what: string, cause?: unknown): void => {
      stop();
      reject(new DataError(WHERE, what, { cause }));
    };
    const onMessage = (message: unknown): void => {
      const answer = message as ParquetAnswer;
      if ('progress' in answer) watchdog.refresh();
      else if ('failure' in answer) fail(answer.failure);
      else {
        stop();
        resolve(answer);
      }
    };
    const onError = (error: Error): void =>
      fail(`${path}: the decoder did not start: ${error.message}`, error);
    // After the last message, unlike 'exit'.
    const onClose = (code: number | null, signal: string | null): void => {
      const reason = signal ?? `code ${code}`;
      fail(`${path}: decoding ended with ${reason}; the file is damaged, or too large: split it`);
    };
    child.on('message', onMessage).on('error', onError).on('close', onClose);
  });
}
