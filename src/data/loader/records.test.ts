import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import * as fc from 'fast-check';
import { randomStream } from '../../tensor/random.js';
import type { RecordsDataset, RecordsOnDisk } from '../dataset.js';
import type { BatchOptions } from './batch-options.js';
import { inlineBatches } from './loader.js';

const FOLDER = mkdtempSync(path.join(tmpdir(), 'phantom-test-'));
after(() => rmSync(FOLDER, { recursive: true }));

function dataset(
  source: Float32Array | RecordsOnDisk,
  shape: Pick<RecordsDataset, 'rows' | 'features' | 'weighted'>,
): RecordsDataset {
  const { rows, features, weighted } = shape;
  const ones = { mean: new Float32Array(features), scale: new Float32Array(features).fill(1) };
  return {
    kind: 'records',
    name: 'records',
    rows,
    features,
    imageLike: false,
    weighted,
    source,
    record: features + 1 + Number(weighted),
    answers: { kind: 'values', width: 1 },
    standardization: ones,
    tally: { rows: [rows], weights: [rows] },
  };
}

/** Records in memory, and the same ones in a file. */
function both(shape: { rows: number; features: number; weighted: boolean; memoryBytes: number }) {
  const { rows, features, weighted, memoryBytes } = shape;
  const values = new Float32Array(rows * (features + 1 + Number(weighted)));
  randomStream(rows, 'records').fillNormal(values, 0);
  const file = path.join(FOLDER, `${rows}-${values.length}`);
  writeFileSync(file, values);
  return [dataset(values, shape), dataset({ path: file, memoryBytes }, shape)] as const;
}

function* batches(options: BatchOptions) {
  const reader = inlineBatches(options);
  for (let batch = reader.next(); batch !== null; batch = reader.next()) {
    yield { ...batch, x: [...batch.x], y: [...batch.y] };
  }
}

test('batches from a file are those from memory, whatever memory rows ahead may take', () => {
  const cases = fc.record({
    rows: fc.integer({ min: 1, max: 100 }),
    features: fc.constantFrom(1, 3, 200),
    weighted: fc.boolean(),
    memoryBytes: fc.constantFrom(1, 2000, 20_000, 1e6),
    shuffle: fc.boolean(),
    columns: fc.integer({ min: 1, max: 20 }),
    microBatches: fc.integer({ min: 1, max: 3 }),
    firstStep: fc.nat(5),
    steps: fc.nat(20),
    replicas: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(cases, ({ columns, microBatches, firstStep, steps, replicas, shuffle, ...of }) => {
      const [training, trainingFile] = both({ ...of, rows: of.rows + 1 });
      const [validation, validationFile] = both(of);
      const options = (data: BatchOptions['data']): BatchOptions => ({
        data,
        standardization: null,
        schedule: {
          firstStep,
          steps,
          microBatches,
          batchSize: columns * microBatches,
          replicas,
          replica: replicas - 1,
          validationRows: of.rows,
          validateEvery: 7,
        },
        seed: 3,
        shuffle,
        oneHot: false,
        weighting: of.weighted ? { factor: 2, classWeights: null } : null,
      });
      assert.deepEqual(
        [...batches(options({ training: trainingFile, validation: validationFile }))],
        [...batches(options({ training, validation }))],
      );
    }),
    { numRuns: 40 },
  );
});

test('a file that was cut off is an error', () => {
  const [, cut] = both({ rows: 100, features: 3, weighted: false, memoryBytes: 1e6 });
  const options: BatchOptions = {
    data: { training: { ...cut, rows: 101 }, validation: null },
    standardization: null,
    schedule: { passes: 1, batchSize: 101, validationRows: 101 },
    oneHot: false,
  };
  assert.throws(() => [...batches(options)], /records: the cache of rows was cut off/);
});

const noStatus = existsSync('/proc/self/status') ? false : 'the peak is read from /proc';

test('an epoch of a large file takes the memory it may', { skip: noStatus }, () => {
  const [rows, record] = [1_000_000, 32];
  const file = path.join(FOLDER, 'large');
  const descriptor = openSync(file, 'w');
  const piece = new Float32Array(record * (rows / 100));
  for (let i = 0; i < 100; i++) writeSync(descriptor, piece);
  closeSync(descriptor);
  const options = (count: number): BatchOptions => ({
    data: {
      training: dataset(
        { path: file, memoryBytes: 16e6 },
        { rows: count, features: 31, weighted: false },
      ),
      validation: null,
    },
    standardization: null,
    schedule: {
      firstStep: 0,
      steps: count / 100,
      batchSize: 100,
      microBatches: 1,
      validationRows: 0,
      validateEvery: 0,
    },
    shuffle: true,
    oneHot: false,
  });
  const script = `
    import { readFileSync } from 'node:fs';
    import { inlineBatches } from '${new URL('loader.js', import.meta.url).href}';
    const peaks = JSON.parse(process.argv[1]).map((options) => {
      const reader = inlineBatches(options);
      while (reader.next() !== null);
      return Number(/VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    });
    console.log(1024 * (peaks[1] - peaks[0]));`;
  const sizes = JSON.stringify([options(1000), options(rows)]);
  const more = Number(execFileSync(process.execPath, ['--input-type=module', '-e', script, sizes]));
  // The rows ahead, the order of an epoch, and what the program itself takes.
  assert.ok(more < 16e6 + 4 * rows + 16e6, `${more} bytes of the file's 128 MB`);
});
