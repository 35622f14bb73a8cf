import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { isDataError, temporaryFolder } from '../hostile.test.helper.js';
import { type SafetensorsTensor, writeSafetensors } from '../safetensors.js';
import { readSafetensorsTable } from './safetensors-table.js';

const file = path.join(temporaryFolder('table'), 'file.safetensors');

const X: SafetensorsTensor = {
  name: 'x',
  dtype: 'F32',
  shape: [2, 3],
  data: Float32Array.of(1, 2, 3, 4, 5, 6),
};
const LABELS: SafetensorsTensor = {
  name: 'y',
  dtype: 'I64',
  shape: [2],
  data: BigInt64Array.of(3n, 0n),
};

function read(...tensors: SafetensorsTensor[]) {
  writeSafetensors(file, tensors);
  return readSafetensorsTable(file, {}).training;
}

test('x and integer y are features and labels', () => {
  const { rows, features, x, answers } = read(X, LABELS);
  assert.deepEqual([rows, features], [2, 3]);
  assert.deepEqual([...x], [1, 2, 3, 4, 5, 6]);
  assert.ok(x.buffer instanceof SharedArrayBuffer);
  assert.deepEqual(answers.kind === 'labels' && [answers.classes, ...answers.labels], [4, 3, 0]);
});

test('float y is values, of one column or several', () => {
  const data = Float32Array.of(1, 2);
  const one = read(X, { name: 'y', dtype: 'F32', shape: [2], data }).answers;
  assert.equal(one.kind === 'values' && one.width, 1);
  const y = Float64Array.of(1, 2, 3, 4);
  const two = read(X, { name: 'y', dtype: 'F64', shape: [2, 2], data: y }).answers;
  assert.deepEqual(two.kind === 'values' && [two.width, ...two.values], [2, 1, 2, 3, 4]);
});

test('bytes stay bytes; half precision is widened', () => {
  const bytes = read({ ...X, dtype: 'U8', data: Uint8Array.of(1, 2, 3, 4, 5, 6) }, LABELS);
  assert.ok(bytes.x instanceof Uint8Array);
  const half = read({ ...X, dtype: 'BF16', data: new Uint16Array(6).fill(0x3f80) }, LABELS);
  assert.deepEqual([...half.x], [1, 1, 1, 1, 1, 1]);
});

test('what is no table is refused', () => {
  const cases: [SafetensorsTensor[], RegExp][] = [
    [[X], /x has no answers beside it; .* it holds x$/],
    [[LABELS], /no tensor x/],
    [[X, { ...LABELS, shape: [1], data: BigInt64Array.of(1n) }], /x has 2 rows and y 1/],
    [
      [{ ...X, shape: [], data: Float32Array.of(1) }, LABELS],
      /x is \[\]; it must be \[rows, features\]/,
    ],
    [[{ ...X, data: new Float32Array(6).fill(Infinity) }, LABELS], /x\[0\] of row 0 is Infinity/],
    [[X, { ...LABELS, data: BigInt64Array.of(2n ** 40n, 0n) }], /outside int32/],
  ];
  for (const [tensors, message] of cases)
    assert.throws(() => read(...tensors), isDataError(message));
});
