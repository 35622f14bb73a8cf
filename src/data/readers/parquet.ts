import { type ChildProcess, fork } from 'node:child_process';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DataError } from '../../errors.js';
import { sharedFloat32, type TableDataset } from '../dataset.js';
import { openFile } from '../files.js';
import type { ParquetAnswer, ParquetRequest } from './parquet-process.js';
import { makeTable, type RawTable, type ReadOptions } from './table.js';

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
  const file = openFile(WHERE, path);
  closeSync(file.fd);
  const sizeMb = file.sizeBytes / 2 ** 20;
  const heapMb = Math.min(MOST_HEAP_MB, Math.ceil(LEAST_HEAP_MB + HEAP_PER_FILE_BYTE * sizeMb));
  const { targets } = options;
  const request: ParquetRequest = { path, ...(targets === undefined ? {} : { targets }) };
  const program = fileURLToPath(new URL('./parquet-process.js', import.meta.url));
  const child = fork(program, [JSON.stringify(request)], {
    execArgv: [`--max-old-space-size=${heapMb}`],
    serialization: 'advanced',
    // What V8 writes when it ends the process is said in one line instead.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  try {
    const table = await answerOf(child, path, leastGroupS + GROUP_S_PER_MB * sizeMb);
    const x = sharedFloat32(table.x.length);
    x.set(table.x);
    return makeTable({ ...table, x }, options);
  } finally {
    child.kill('SIGKILL');
  }
}

function answerOf(child: ChildProcess, path: string, groupS: number): Promise<RawTable> {
  return new Promise((resolve, reject) => {
    const watchdog = setTimeout(() => {
      const what = `a row group took more than ${groupS.toFixed(0)} s; the file is damaged`;
      fail(`${path}: ${what}, or write it with smaller row groups`);
    }, 1000 * groupS);
    const fail = (what: string, cause?: unknown): void => {
      clearTimeout(watchdog);
      reject(new DataError(WHERE, what, { cause }));
    };
    child.on('message', (message) => {
      const answer = message as ParquetAnswer;
      if ('progress' in answer) watchdog.refresh();
      else if ('failure' in answer) fail(answer.failure);
      else {
        clearTimeout(watchdog);
        resolve(answer.table);
      }
    });
    child.on('error', (error) =>
      fail(`${path}: the decoder did not start: ${error.message}`, error),
    );
    // After the last message, unlike 'exit'.
    child.on('close', (code, signal) => {
      const reason = signal ?? `code ${code}`;
      fail(`${path}: decoding ended with ${reason}; the file is damaged, or too large: split it`);
    });
  });
}
