// The process that decodes one Parquet file and sends what it found; started by `readParquet`.
import { fileURLToPath } from 'node:url';
import { PhantomError } from '../../errors.js';
import { decodeParquet } from './parquet-table.js';
import type { RawTable } from './table.js';

export interface ParquetRequest {
  readonly path: string;
  readonly targets?: readonly string[];
}

export type ParquetAnswer = { progress: number } | { table: RawTable } | { failure: string };

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) {
  const { path, targets } = JSON.parse(process.argv[2] ?? '') as ParquetRequest;
  const send = (answer: ParquetAnswer) => process.send?.(answer);
  try {
    const table = await decodeParquet(path, targets, (rows) => send({ progress: rows }));
    send({ table });
  } catch (error) {
    if (!(error instanceof PhantomError)) throw error;
    // The process that asked puts the prefix in front again.
    send({ failure: error.message.replace(/^\[\w+\] /, '') });
  }
}
