import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { ConfigError } from '../../base/errors.js';
import { type BatchSchedule, ScheduleCursor, type TrainingSchedule } from './batch-schedule.js';

const SCHEDULE: TrainingSchedule = {
  firstStep: 0,
  steps: 4,
  batchSize: 6,
  microBatches: 2,
  validationRows: 5,
  validateEvery: 3,
};

function walk(schedule: BatchSchedule): string[] {
  const cursor = new ScheduleCursor(schedule);
  const items: string[] = [];
  while (cursor.advance()) {
    const { kind, step, microBatch, index, validColumns } = cursor;
    items.push(
      kind === 'training'
        ? `train ${step}.${microBatch} of ${validColumns}`
        : `validate ${step}.${index} of ${validColumns}`,
    );
  }
  assert.equal(cursor.advance(), false);
  return items;
}

test('micro-batches of each step, and all validation rows after every n-th and the last', () => {
  assert.deepEqual(walk(SCHEDULE), [
    'train 0.0 of 3',
    'train 0.1 of 3',
    'train 1.0 of 3',
    'train 1.1 of 3',
    'train 2.0 of 3',
    'train 2.1 of 3',
    'validate 2.0 of 3',
    'validate 2.1 of 2',
    'train 3.0 of 3',
    'train 3.1 of 3',
    'validate 3.0 of 3',
    'validate 3.1 of 2',
  ]);
});

test('an evaluation reads validation rows alone, as often as it has passes', () => {
  const pass = (step: number) => [0, 1, 2].map((i) => `validate ${step}.${i} of ${i < 2 ? 4 : 1}`);
  const schedule = { passes: 2, batchSize: 4, validationRows: 9 };
  assert.deepEqual(walk(schedule), [...pass(0), ...pass(1)]);
  assert.deepEqual(walk({ ...schedule, passes: 0 }), []);
  assert.deepEqual(walk({ ...schedule, validationRows: 0 }), []);
  assert.throws(() => walk({ ...schedule, batchSize: 0 }), ConfigError);
});

test('a resumed run reads exactly the rest', () => {
  const small = fc.integer({ min: 1, max: 4 });
  const schedules = fc.record<TrainingSchedule>({
    firstStep: fc.nat(12),
    steps: fc.nat(12),
    batchSize: small.map((n) => 12 * n),
    microBatches: small,
    validationRows: fc.nat(40),
    validateEvery: fc.nat(5),
  });
  fc.assert(
    fc.property(schedules, (schedule) => {
      const all = walk({ ...schedule, firstStep: 0 });
      const rest = walk(schedule);
      const done = all.length - rest.length;
      assert.deepEqual(rest, all.slice(done));
      if (rest.length > 0)
        assert.match(rest[0] ?? '', new RegExp(`^train ${schedule.firstStep}\\.`));
      const trained = rest.filter((item) => item.startsWith('train')).length;
      const steps = Math.max(0, schedule.steps - schedule.firstStep);
      assert.equal(trained, steps * schedule.microBatches);
    }),
  );
});

test('nothing is validated without rows or without an interval', () => {
  for (const schedule of [
    { ...SCHEDULE, validateEvery: 0 },
    { ...SCHEDULE, validationRows: 0 },
  ]) {
    assert.equal(walk(schedule).length, 8);
  }
});

test('sizes that do not fit are refused', () => {
  for (const wrong of [{ batchSize: 5 }, { microBatches: 0 }, { steps: -1 }, { firstStep: 0.5 }]) {
    assert.throws(() => new ScheduleCursor({ ...SCHEDULE, ...wrong }), ConfigError);
  }
});
