import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SETTING_KEYS } from '../settings/keys.js';
import { editDistance, hint, nearestName } from './nearest.js';

test('edits are counted as published: kitten, sitting; a swap is one', () => {
  assert.equal(editDistance('kitten', 'sitting'), 3);
  assert.equal(editDistance('widht', 'width'), 1);
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(editDistance('same', 'same'), 0);
});

test('typing errors, other spellings and other words find the key', () => {
  const expected: [string, string][] = [
    ['widht', 'width'],
    ['weight-decay', 'weightDecay'],
    ['weight_decay', 'weightDecay'],
    ['WIDTH', 'width'],
    ['learningRate', 'lr'],
    ['batch_size', 'batch'],
    ['ghost', 'ghosts'],
    ['checkpoint', 'checkpointEvery'],
    ['optimiser', 'optimizer'],
  ];
  for (const [typed, key] of expected) assert.equal(nearestName(typed, SETTING_KEYS), key, typed);
});

test('a word that is near nothing is not guessed at', () => {
  assert.equal(nearestName('xyzzy', SETTING_KEYS), null);
  assert.equal(nearestName('', ['train', 'eval']), null);
  assert.equal(hint('zzz', ['train', 'eval']), '; known are train, eval');
});

test('a very long name costs no more than a short one', () => {
  assert.equal(nearestName('w'.repeat(1_000_000), SETTING_KEYS), null);
});
