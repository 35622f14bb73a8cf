import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  assertFlipsSurvived,
  assertTruncationsRefused,
  isDataError,
  temporaryFolder,
} from '../hostile.test.helper.js';
import { pairArrays } from './array-names.js';
import { readNpz } from './npz.js';

const CASES = fileURLToPath(new URL('../../../test/cases/arrays/npy/', import.meta.url));
const file = path.join(temporaryFolder('npz'), 'data.npz');
const read = () => readNpz(file, {});

for (const name of ['data.npz', 'datac.npz']) {
  test(`${name} is read; cut or changed it is refused, or does no harm`, async () => {
    const bytes = readFileSync(path.join(CASES, 'npz', name));
    writeFileSync(file, bytes);
    const { training, validation } = read();
    assert.deepEqual([training.rows, training.features, validation], [6, 3, null]);
    const { answers } = training;
    assert.deepEqual(answers.kind === 'labels' && [...answers.labels], [0, 1, 0, 1, 2, 1]);
    await assertTruncationsRefused(file, bytes, read);
    await assertFlipsSurvived(file, bytes, read, 300);
  });
}

test('arrays go together by their names', () => {
  const pair = (...names: string[]) => pairArrays('test', 'a', names);
  const alone = { training: { x: 'x', y: 'y' }, validation: null };
  assert.deepEqual(pair('y', 'x', 'other'), alone);
  assert.deepEqual(pair('X', 'y')?.training, { x: 'X', y: 'y' });
  assert.deepEqual(pair('X_train', 'y_train', 'X_test', 'y_test'), {
    training: { x: 'X_train', y: 'y_train' },
    validation: { x: 'X_test', y: 'y_test' },
  });
  assert.deepEqual(pair('val-features', 'val-labels', 'train-features', 'train-labels'), {
    training: { x: 'train-features', y: 'train-labels' },
    validation: { x: 'val-features', y: 'val-labels' },
  });
  assert.deepEqual(pair('mnist.x', 'mnist.y')?.training, { x: 'mnist.x', y: 'mnist.y' });
  assert.equal(pair('a', 'y'), null);
  assert.throws(() => pair('x', 'z'), isDataError(/x has no answers beside it/));
  assert.throws(() => pair('a_x', 'a_y', 'b_x', 'b_y'), isDataError(/a_x and b_x could be/));
  assert.throws(() => pair('x_test', 'y_test'), isDataError(/x_test could be features/));
});
