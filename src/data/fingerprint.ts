import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import type { DataParts, Dataset, RecordsDataset } from './dataset.js';

/** Rows of a part that are compared, evenly spaced; all where there are no more. */
const MOST_ROWS = 4096;

/** What a fingerprint compares, for people. */
export const FINGERPRINT_OF = `the numbers of rows and ${MOST_ROWS} evenly spaced rows of each part`;

/** A hash of data as they are trained on: of their sizes, and of features and answers of a few
 * thousand rows. Other data of the same sizes are found unless they differ elsewhere alone. */
export function fingerprint({ training, validation }: DataParts): string {
  const hash = createHash('sha256');
  for (const part of validation === null ? [training] : [training, validation]) addPart(hash, part);
  return hash.digest('hex');
}

function addPart(hash: Hash, part: Dataset): void {
  hash.update(JSON.stringify([part.kind, String(part.rows), part.features]));
  if (part.kind === 'teacher') hash.update(JSON.stringify([part.name, part.spec, part.part]));
  else if (part.kind === 'records') addRecords(hash, part);
  else {
    const { x, rows, features, answers, weights } = part;
    const [y, width] =
      answers.kind === 'labels' ? [answers.labels, 1] : [answers.values, answers.width];
    for (const row of rowsOf(rows)) {
      hash.update(x.subarray(row * features, (row + 1) * features));
      hash.update(y.subarray(row * width, (row + 1) * width));
      if (weights !== undefined) hash.update(weights.subarray(row, row + 1));
    }
  }
}

function addRecords(
  hash: Hash,
  { source, rows, record }: Pick<RecordsDataset, 'source' | 'rows' | 'record'>,
): void {
  if (source instanceof Float32Array) {
    for (const row of rowsOf(rows)) hash.update(source.subarray(row * record, (row + 1) * record));
    return;
  }
  const descriptor = openSync(source.path, 'r');
  try {
    const bytes = Buffer.alloc(4 * record);
    for (const row of rowsOf(rows)) {
      const count = readSync(descriptor, bytes, 0, bytes.length, row * bytes.length);
      hash.update(bytes.subarray(0, count));
    }
  } finally {
    closeSync(descriptor);
  }
}

function rowsOf(rows: number): number[] {
  const count = Math.min(rows, MOST_ROWS);
  return Array.from({ length: count }, (_, i) => Math.floor((i * rows) / count));
}
