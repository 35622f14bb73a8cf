import type { RecordsDataset } from '../dataset.js';
import { type Affine, affine, gatherColumns } from './columns.js';
import type { BatchOptions, ColumnWriter } from './batch-options.js';
import { type BatchOrder, type FoundRows, ReadAhead } from './read-ahead.js';
import { GatheredRows, RecordFile } from './record-file.js';

/**
 * Writes records, from memory or a file.
 *
 * @param order of the batches that will be asked for, where that is known: then they are, whatever
 *   rows are named
 */
export function recordsWriter(
  dataset: RecordsDataset,
  options: BatchOptions,
  order: BatchOrder | null,
): ColumnWriter {
  const { record, features, answers } = dataset;
  const { standardization, oneHot, targetScaling = null, weighting = null } = options;
  const hasWeights = dataset.weighted && weighting !== null;
  const plain = affine(null, 1);
  const input = affine(standardization, features);
  const targets = answers.kind === 'values' ? answers.width : 1;
  const target = affine(answers.kind === 'values' ? targetScaling : null, targets);
  const find = recordFinder(dataset, options, order);
  return (rows, x_FB, y) => {
    const { values, places } = find(rows);
    const gather = (first: number, of: Affine, out: Float32Array) =>
      gatherColumns({ values, width: record, first, affine: of }, places, out);
    gather(0, input, x_FB);
    if (hasWeights) {
      const weights = y.subarray(y.length - rows.length);
      gather(features + targets, plain, weights);
    }
    if (answers.kind === 'labels' && oneHot) {
      y.fill(0, 0, answers.classes * rows.length);
      for (let c = 0; c < rows.length; c++) {
        const label = values[(places[c] as number) * record + features] as number;
        y[label * rows.length + c] = 1;
      }
      return;
    }
    gather(features, target, y);
  };
}

function recordFinder(
  dataset: RecordsDataset,
  { schedule }: BatchOptions,
  order: BatchOrder | null,
): (rows: Float64Array) => FoundRows {
  const { source, rows } = dataset;
  if (source instanceof Float32Array) return (places) => ({ values: source, places });
  const file = new RecordFile(dataset, source.path);
  if (order !== null) {
    const replicas = 'replicas' in schedule ? (schedule.replicas ?? 1) : 1;
    const ahead = new ReadAhead(file, order, { rows, memoryBytes: source.memoryBytes / replicas });
    return () => ahead.next();
  }
  let batch = new GatheredRows(file, 0);
  let places = new Float64Array(0);
  return (wanted) => {
    if (places.length !== wanted.length) {
      batch = new GatheredRows(file, wanted.length);
      places = Float64Array.from(wanted, (_, c) => c);
    }
    batch.clear();
    batch.ask(wanted);
    batch.advance(wanted.length);
    return { values: batch.values, places };
  };
}
