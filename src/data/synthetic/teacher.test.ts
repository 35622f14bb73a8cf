import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { DataError } from '../../base/errors.js';
import { Teacher, secondMoment, teacherParts } from './teacher.js';
import {
  DEFAULT_TEACHER,
  formatTeacherName,
  isTeacherName,
  parseTeacherName,
  TEACHER_ACTIVATIONS,
  type TeacherSpec,
} from './teacher-spec.js';

const SMALL: TeacherSpec = { ...DEFAULT_TEACHER, widths: [5, 9, 3], noise: 0.5, seed: 3 };

/** x and y of rows, one array a row. */
function compute(spec: TeacherSpec, rows: number[], part: 'training' | 'validation' = 'training') {
  const dataset = teacherParts(spec)[part];
  assert.ok(dataset);
  const x = new Float32Array(dataset.features * rows.length);
  const y = new Teacher(dataset).compute(Float64Array.from(rows), x);
  return rows.map((_, c) => ({
    x: Array.from({ length: dataset.features }, (__, f) => x[f * rows.length + c] ?? Number.NaN),
    y: Array.from(
      { length: spec.widths.at(-1) ?? 0 },
      (__, o) => y[o * rows.length + c] ?? Number.NaN,
    ),
  }));
}

test('a row depends on the seed and its index, not on the batch it comes in', () => {
  const row = fc.integer({ min: 0, max: 2 ** 40 });
  fc.assert(
    fc.property(fc.nat(), fc.array(row, { minLength: 1, maxLength: 8 }), (seed, rows) => {
      const spec = { ...SMALL, seed };
      const together = compute(spec, rows);
      rows.forEach((index, i) => assert.deepEqual(compute(spec, [index])[0], together[i]));
    }),
  );
});

test('seeds, rows and parts differ', () => {
  const [a, b] = compute(SMALL, [0, 1]);
  assert.notDeepEqual(a?.x, b?.x);
  assert.notDeepEqual(compute({ ...SMALL, seed: 4 }, [0])[0]?.x, a?.x);
  assert.notDeepEqual(compute(SMALL, [0], 'validation')[0]?.x, a?.x);
});

test('the answer is a function of x alone without noise, and differs by N(0, noise) with it', () => {
  const rows = Array.from({ length: 2000 }, (_, i) => i);
  const clean = compute({ ...SMALL, noise: 0 }, rows);
  const noisy = compute(SMALL, rows);
  const differences = rows.flatMap((i) =>
    (noisy[i]?.y ?? []).map((y, o) => y - (clean[i]?.y[o] ?? 0)),
  );
  const variance = differences.reduce((sum, d) => sum + d * d, 0) / differences.length;
  // Five standard errors of the variance of 6000 normal draws.
  assert.ok(Math.abs(variance - 0.25) < 5 * 0.25 * Math.sqrt(2 / 6000), `variance ${variance}`);
});

for (const activation of TEACHER_ACTIVATIONS) {
  test(`answers keep a variance of about 1 behind layers of ${activation}`, () => {
    const rows = Array.from({ length: 500 }, (_, i) => i);
    const widths = [64, 256, 256, 256, 64];
    const answers = compute({ ...SMALL, widths, activation, noise: 0 }, rows).flatMap(({ y }) => y);
    const variance = answers.reduce((sum, y) => sum + y * y, 0) / answers.length;
    assert.ok(variance > 0.6 && variance < 1.6, `variance ${variance}`);
  });
}

test('second moments are those of the half and the whole normal distribution', () => {
  assert.ok(Math.abs(secondMoment('relu') - 0.5) < 1e-6);
  assert.ok(Math.abs(secondMoment('identity') - 1) < 1e-6);
});

test('a specification survives being written as a name', () => {
  const spec = fc.record<TeacherSpec>({
    widths: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 2, maxLength: 4 }),
    activation: fc.constantFrom(...TEACHER_ACTIVATIONS),
    noise: fc.double({ min: 0, max: 10, noNaN: true }),
    seed: fc.nat(),
    labels: fc.constantFrom('values', 'argmax'),
    validation: fc.nat(),
  });
  fc.assert(
    fc.property(spec, (given) => {
      const read = parseTeacherName(formatTeacherName(given));
      // -0 is written as 0.
      assert.deepEqual(read, { ...given, noise: given.noise + 0 });
    }),
  );
});

test('what is left out of the name has its default', () => {
  assert.deepEqual(parseTeacherName('synthetic:teacher'), DEFAULT_TEACHER);
  assert.deepEqual(parseTeacherName('synthetic:teacher?seed=7'), { ...DEFAULT_TEACHER, seed: 7 });
  assert.equal(isTeacherName('synthetic:teachers'), false);
});

for (const [query, message] of [
  ['widths=64', /at least the features and the answers/],
  ['widths=64,0', /integer of at least 1/],
  ['widths=64,,2', /integer of at least 1/],
  ['widths=2000000,2', /a width is at most/],
  ['widths=1000000,1000000', /at most 268435456/],
  ['noise=-1', /number of at least 0/],
  ['noise=', /number of at least 0/],
  ['seed=1.5', /integer of at least 0/],
  ['activation=gelu', /one of relu, silu, tanh, identity/],
  ['labels=yes', /one of values, argmax/],
  ['width=3', /unknown parameter width; known are widths/],
  ['seed=1&seed=2', /seed is given twice/],
] as const) {
  test(`synthetic:teacher?${query} is refused`, () => {
    assert.throws(
      () => parseTeacherName(`synthetic:teacher?${query}`),
      (error) => error instanceof DataError && message.test(error.message),
    );
  });
}
