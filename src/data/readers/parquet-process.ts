// The process that decodes one Parquet file and sends what it found; started by `readParquet`.
import { fileURLToPath } from 'node:url';
import { PhantomError } from '../../base/errors.js';
import { decodeParquet, decodeParquetRows } from './parquet-table.js';
import type { RawTable } from './table.js';

export interface ParquetRequest {
  readonly path: string;
  readonly targets?: readonly string[];
  /** Of the network that reads rows: row groups are sent one by one, the next when asked for. */
  readonly features?: number;
}

export type ParquetAnswer =
  | { progress: number }
  | { table: RawTable }
  /** null: there are no more. */
  | { rows: Float32Array | null }
  | { failure: string };

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) {
  const { path, targets, features } = JSON.parse(process.argv[2] ?? '') as ParquetRequest;
  const send = (answer: ParquetAnswer) => process.send?.(answer);
  try {
    if (features === undefined) {
      const table = await decodeParquet(path, targets, (rows) => send({ progress: rows }));
      send({ table });
    } else {
      await decodeParquetRows(path, features, async (rows) => {
        const asked = new Promise((resolve) => {
          process.once('message', resolve);
        });
        send({ rows });
        await asked;
      });
      send({ rows: null });
    }
  } catch (error) {
    if (!(error instanceof PhantomError)) throw error;
    // The process that asked puts the prefix in front again.
    send({ failure: error.message.replace(/^\[\w+\] /, '') });
  }
}
