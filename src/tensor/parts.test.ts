import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShapeError } from '../base/errors.js';
import {
  asBfloat16,
  asBytes,
  byteRange,
  bytesOf,
  type Tensor,
  tensorPart,
  tensorRows,
} from './tensor.js';

test('a part of a tensor ends where the tensor ends', () => {
  const tensor: Tensor = { dtype: 'float32', shape: [3, 2], length: 6, byteOffset: 64 };
  assert.equal(tensorPart(tensor, 2, [2, 2]).byteOffset, 72);
  assert.equal(tensorRows(tensor, 3, 0).length, 0);
  assert.equal(asBytes(tensor, 24).length, 24);
  assert.equal(byteRange(bytesOf(tensor), 20, 4).byteOffset, 84);
  assert.equal(asBfloat16(tensor, [12]).length, 12);
  const past: readonly (() => unknown)[] = [
    () => tensorPart(tensor, 3, [2, 2]),
    () => tensorPart(tensor, -1, [2]),
    () => tensorRows(tensor, 2, 2),
    () => asBytes(tensor, 25),
    () => byteRange(bytesOf(tensor), 20, 5),
    () => byteRange(bytesOf(tensor), -1, 1),
    () => asBfloat16(tensor, [13]),
  ];
  for (const part of past) assert.throws(part, ShapeError, String(part));
});
