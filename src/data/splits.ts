import { DataError } from '../base/errors.js';
import { randomStream } from '../tensor/random.js';
import { sharedFloat32, sharedInt32, sharedUint8, type TableDataset } from './dataset.js';

/**
 * Takes a fraction of the rows for validation. Which ones depends on the seed; both parts keep the
 * order of the file.
 *
 * @throws DataError unless both parts have a row.
 */
export function splitRandomly(
  table: TableDataset,
  fraction: number,
  seed: number,
): { training: TableDataset; validation: TableDataset } {
  const { training, validation } = splitRows(table, fraction, seed);
  return { training: takeRows(table, training), validation: takeRows(table, validation) };
}

/** The rows that are held back for validation, in order. @throws DataError as `splitRandomly` */
export function validationRows(
  table: { readonly name: string; readonly rows: number },
  fraction: number,
  seed: number,
): Uint32Array {
  return splitRows(table, fraction, seed).validation;
}

function splitRows(
  table: { readonly name: string; readonly rows: number },
  fraction: number,
  seed: number,
): { training: Uint32Array; validation: Uint32Array } {
  const count = Math.round(fraction * table.rows);
  if (!(fraction > 0 && fraction < 1) || count < 1 || count >= table.rows) {
    throw new DataError(
      'data',
      `${table.name}: validation fraction ${fraction} of ${table.rows} rows; a number between 0 ` +
        'and 1 that leaves a row on both sides is needed',
    );
  }
  const order = randomStream(seed, 'validation-split').permutation(table.rows);
  return {
    training: order.subarray(count).toSorted(),
    validation: order.subarray(0, count).toSorted(),
  };
}

/** Splits without copying: the first `count` rows and the others. */
export function splitAt(
  table: TableDataset,
  count: number,
): { training: TableDataset; validation: TableDataset } {
  return {
    training: viewRows(table, 0, count),
    validation: viewRows(table, count, table.rows),
  };
}

function viewRows(table: TableDataset, from: number, to: number): TableDataset {
  const { features, x, answers, weights } = table;
  const common = {
    ...table,
    rows: to - from,
    x: x.subarray(from * features, to * features),
    ...(weights && { weights: weights.subarray(from, to) }),
  };
  if (answers.kind === 'labels') {
    return { ...common, answers: { ...answers, labels: answers.labels.subarray(from, to) } };
  }
  const values = answers.values.subarray(from * answers.width, to * answers.width);
  return { ...common, answers: { ...answers, values } };
}

function takeRows(table: TableDataset, rows: Uint32Array): TableDataset {
  const { features, x, answers } = table;
  const count = rows.length;
  const taken =
    x instanceof Uint8Array ? sharedUint8(count * features) : sharedFloat32(count * features);
  rows.forEach((row, i) => {
    taken.set(x.subarray(row * features, (row + 1) * features), i * features);
  });
  const weights = table.weights && takenNumbers(table.weights, rows);
  const common = { ...table, rows: count, x: taken, ...(weights && { weights }) };
  if (answers.kind === 'labels') {
    const labels = sharedInt32(count);
    rows.forEach((row, i) => {
      labels[i] = answers.labels[row] as number;
    });
    return { ...common, answers: { ...answers, labels } };
  }
  const { width } = answers;
  const values = sharedFloat32(count * width);
  rows.forEach((row, i) => {
    values.set(answers.values.subarray(row * width, (row + 1) * width), i * width);
  });
  return { ...common, answers: { ...answers, values } };
}

function takenNumbers(values: Float32Array, rows: Uint32Array): Float32Array {
  const taken = sharedFloat32(rows.length);
  rows.forEach((row, i) => {
    taken[i] = values[row] as number;
  });
  return taken;
}
