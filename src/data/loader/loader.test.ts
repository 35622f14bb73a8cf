import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataError } from '../../base/errors.js';
import { randomStream } from '../../tensor/random.js';
import { sharedFloat32, sharedInt32, sharedUint8, type TableDataset } from '../dataset.js';
import { applyStandardization, fitStandardization } from '../standardize.js';
import { teacherParts } from '../synthetic/teacher.js';
import { DEFAULT_TEACHER } from '../synthetic/teacher-spec.js';
import type { Batch, BatchReader } from './batches.js';
import type { BatchOptions } from './batch-options.js';
import { inlineBatches, type Loader, openBatches, startLoader } from './loader.js';
import type { LoaderHandle } from './ring.js';

/** Bytes with labels: x[row, f] = (31 row + 7 f) mod 256, label = row mod 3. */
function images(rows: number, features: number): TableDataset {
  const x = sharedUint8(rows * features);
  x.forEach((_, i) => {
    x[i] = 31 * Math.floor(i / features) + 7 * (i % features);
  });
  const labels = sharedInt32(rows).map((_, row) => row % 3);
  const answers = { kind: 'labels', classes: 3, labels } as const;
  return { kind: 'table', name: 'images', rows, features, imageLike: true, x, answers };
}

/** Normal numbers with two values to predict. */
function numbers(rows: number, features: number): TableDataset {
  const x = sharedFloat32(rows * features);
  const values = sharedFloat32(rows * 2);
  randomStream(1, 'x').fillNormal(x, 0);
  randomStream(1, 'y').fillNormal(values, 0);
  const answers = { kind: 'values', width: 2, values } as const;
  return { kind: 'table', name: 'numbers', rows, features, imageLike: false, x, answers };
}

const OPTIONS: BatchOptions = {
  data: { training: images(50, 21), validation: images(11, 21) },
  standardization: null,
  schedule: {
    firstStep: 0,
    steps: 9,
    batchSize: 36,
    microBatches: 2,
    validationRows: 11,
    validateEvery: 4,
  },
  seed: 5,
  shuffle: true,
  oneHot: false,
};

/** What a batch holds, copied. */
function snapshot(batch: Batch) {
  return { ...batch, x: [...batch.x], y: [...batch.y] };
}

function drain(reader: BatchReader): ReturnType<typeof snapshot>[] {
  const batches: ReturnType<typeof snapshot>[] = [];
  for (let batch = reader.next(); batch !== null; batch = reader.next()) {
    batches.push(snapshot(batch));
  }
  assert.equal(reader.next(), null);
  return batches;
}

async function withLoader(
  options: Parameters<typeof startLoader>[0],
  use: (handle: LoaderHandle, loader: Loader) => void | Promise<void>,
): Promise<void> {
  const loader = startLoader(options);
  try {
    await use(loader.handle, loader);
  } finally {
    await loader.close();
  }
}

test('batches are feature-major columns of the rows that the sampler names', () => {
  const schedule = { ...OPTIONS.schedule, batchSize: 4, microBatches: 1, steps: 1 };
  const [batch, validation] = drain(inlineBatches({ ...OPTIONS, schedule, shuffle: false }));
  assert.ok(batch && validation);
  assert.equal(batch.x.length, 21 * 4);
  batch.x.forEach((value, i) => assert.equal(value, (31 * (i % 4) + 7 * Math.floor(i / 4)) % 256));
  assert.deepEqual(batch.y, [0, 1, 2, 0]);
  assert.equal(validation.kind, 'validation');
});

test('the last validation batch repeats row 0 beyond its valid columns', () => {
  const schedule = { ...OPTIONS.schedule, batchSize: 8, microBatches: 1, steps: 1 };
  const last = drain(inlineBatches({ ...OPTIONS, schedule })).at(-1);
  assert.ok(last);
  assert.equal(last.validColumns, 3);
  assert.deepEqual(last.y, [8 % 3, 9 % 3, 10 % 3, 0, 0, 0, 0, 0]);
  for (let f = 0; f < 21; f++) assert.equal(last.x[f * 8 + 3], 7 * f);
});

test('one-hot labels are columns of zeros and a one', () => {
  const schedule = { ...OPTIONS.schedule, batchSize: 4, microBatches: 1, steps: 1 };
  const options = { ...OPTIONS, schedule, shuffle: false, oneHot: true };
  const [batch] = drain(inlineBatches(options));
  assert.deepEqual(batch?.y, [1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0]);
});

test('x is standardized as applyStandardization does it', () => {
  const data = { training: numbers(64, 5), validation: null };
  const standardization = fitStandardization(data.training, 'on');
  assert.ok(standardization);
  const schedule = { ...OPTIONS.schedule, validationRows: 0, batchSize: 64, microBatches: 1 };
  const options = { ...OPTIONS, data, schedule, shuffle: false };
  const [plain] = drain(inlineBatches(options));
  const [standardized] = drain(inlineBatches({ ...options, standardization }));
  assert.ok(plain && standardized);
  const expected = Float32Array.from(plain.x);
  applyStandardization(standardization, expected, true);
  assert.deepEqual(standardized.x, [...expected]);
  assert.equal(plain.y.length, 2 * 64);
  assert.deepEqual(standardized.y, plain.y);
});

test('teachers feed batches of values and of labels', () => {
  const schedule = { ...OPTIONS.schedule, validationRows: 100, validateEvery: 9 };
  const spec = { ...DEFAULT_TEACHER, widths: [4, 8, 3], validation: 100 };
  const values = drain(inlineBatches({ ...OPTIONS, schedule, data: teacherParts(spec) }));
  const argmax = teacherParts({ ...spec, labels: 'argmax' });
  const labels = drain(inlineBatches({ ...OPTIONS, schedule, data: argmax }));
  const hot = drain(inlineBatches({ ...OPTIONS, schedule, data: argmax, oneHot: true }));
  assert.equal(values.length, 18 + 6);
  values.forEach(({ x, y, columns }, i) => {
    assert.deepEqual(labels[i]?.x, x);
    for (let c = 0; c < columns; c++) {
      const column = [0, 1, 2].map((o) => y[o * columns + c] ?? Number.NaN);
      const label: number = labels[i]?.y[c] ?? -1;
      assert.equal(column[label], Math.max(...column));
      const expected = [0, 1, 2].map((o) => Number(o === label));
      assert.deepEqual(
        [0, 1, 2].map((o) => hot[i]?.y[o * columns + c]),
        expected,
      );
    }
  });
});

test('a resumed run reads the batches that are left', () => {
  const all = drain(inlineBatches(OPTIONS));
  const schedule = { ...OPTIONS.schedule, firstStep: 5 };
  const rest = drain(inlineBatches({ ...OPTIONS, schedule }));
  assert.deepEqual(
    rest,
    all.filter(({ step }) => step >= 5),
  );
});

test('one consumer reads from the thread what is made inline', async () => {
  await withLoader({ ...OPTIONS, consumers: 1 }, (handle) => {
    assert.deepEqual(drain(openBatches(handle, 0)), drain(inlineBatches(OPTIONS)));
  });
});

test('three consumers at different speeds read the same batches', async () => {
  await withLoader({ ...OPTIONS, consumers: 3, slots: 2 }, (handle) => {
    const readers = [0, 1, 2].map((consumer) => openBatches(handle, consumer));
    for (const expected of drain(inlineBatches(OPTIONS))) {
      // The first consumer has read its batch and the others not yet: no slot may be overwritten.
      const batches = readers.map((reader) => reader.next());
      for (const batch of batches) {
        assert.ok(batch);
        assert.deepEqual(snapshot(batch), expected);
      }
    }
    for (const reader of readers) assert.equal(reader.next(), null);
  });
});

test('a slot stays as it is until every consumer has moved on', async () => {
  await withLoader({ ...OPTIONS, consumers: 2, slots: 2 }, async (handle) => {
    const [expected] = drain(inlineBatches(OPTIONS));
    const [fast, slow] = [openBatches(handle, 0), openBatches(handle, 1)];
    const held = slow.next();
    assert.ok(held && fast.next() && fast.next());
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(snapshot(held), expected);
  });
});

test('views and the batch object are reused', async () => {
  await withLoader({ ...OPTIONS, consumers: 1, slots: 2 }, (handle) => {
    const reader = openBatches(handle, 0);
    const first = reader.next();
    const x = first?.x;
    assert.equal(reader.next(), first);
    assert.equal(reader.next()?.x, x);
  });
});

test('a failure in the thread reaches readers and owner with its cause', async () => {
  const training = { ...images(50, 21), rows: 2 ** 33 };
  const options = { ...OPTIONS, data: { ...OPTIONS.data, training }, consumers: 2 };
  await withLoader(options, async (handle, loader) => {
    for (const consumer of [0, 1]) {
      assert.throws(
        () => openBatches(handle, consumer).next(),
        (error) => error instanceof DataError && /loading failed: .*length/i.test(error.message),
      );
    }
    await assert.rejects(loader.failed, /loading failed: .*length/i);
  });
});

test('a wait ends with a clear line when another rank does not take its batches', async () => {
  await withLoader({ ...OPTIONS, consumers: 2, slots: 1 }, (handle) => {
    const own: { -readonly [K in keyof LoaderHandle]: LoaderHandle[K] } = { ...handle };
    const reader = openBatches(own, 0);
    assert.ok(reader.next());
    own.timeoutS = 0.3;
    assert.throws(() => reader.next(), /no training batch for step 0 within 0.3 s/);
  });
});

test('closing ends readers that would wait', async () => {
  const loader = startLoader({ ...OPTIONS, consumers: 2, slots: 1 });
  const reader = openBatches(loader.handle, 0);
  assert.ok(reader.next());
  await loader.close();
  await loader.close();
  assert.throws(() => reader.next(), /closed before the end/);
});

test('an evaluation reads the validation part, or the training part where there is none', () => {
  const evaluation = { passes: 1, batchSize: 8, validationRows: 11 };
  const [training, validation] = [numbers(50, 4), numbers(11, 4)];
  for (const [i, x] of validation.x.entries()) validation.x[i] = x + 10;
  const read = (data: BatchOptions['data']) =>
    drain(inlineBatches({ data, standardization: null, oneHot: false, schedule: evaluation }));
  const [first, last] = read({ training, validation });
  assert.deepEqual([first?.kind, first?.validColumns, last?.validColumns], ['validation', 8, 3]);
  assert.deepEqual(first?.x, read({ training: validation, validation: null })[0]?.x);
  assert.notDeepEqual(first?.x, read({ training, validation: null })[0]?.x);
});

test('what cannot be served is refused at once', () => {
  const with_ = (schedule: object) => ({
    ...OPTIONS,
    schedule: { ...OPTIONS.schedule, ...schedule },
    consumers: 1,
  });
  assert.throws(() => startLoader(with_({ validationRows: 12 })), /12 validation rows of 11/);
  assert.throws(() => startLoader(with_({ microBatches: 5 })), /parts must be equal/);
  const standardization = { mean: new Float32Array(3), scale: new Float32Array(3) };
  assert.throws(() => startLoader({ ...with_({}), standardization }), /3 features.*has 21/);
});
