import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../base/errors.js';
import { SETTING_KEYS } from './keys.js';
import { defaultRanks, resolveSettings } from './resolve.js';
import type { GivenSettings } from './given.js';

const resolve = (...settings: GivenSettings[]) =>
  resolveSettings(settings.map((given, i) => ({ where: `source ${i}`, settings: given })));

function refuses(settings: GivenSettings, message: RegExp): void {
  assert.throws(
    () => resolve(settings),
    (error) => error instanceof ConfigError && message.test(error.message),
  );
}

test('every setting has a value or null when nothing is given', () => {
  const settings = resolve({});
  assert.deepEqual(Object.keys(settings).toSorted(), SETTING_KEYS.toSorted());
  assert.deepEqual(
    Object.entries(settings).filter(([, value]) => value === undefined),
    [],
  );
  assert.equal(settings.epochs, 5);
});

test('later sources win, and what they leave out stays', () => {
  const settings = resolve({ width: 512, lr: 0.1 }, { lr: 0.2 });
  assert.deepEqual([settings.width, settings.lr], [512, 0.2]);
});

test('steps and epochs replace one another across sources, and exclude one another in one', () => {
  assert.deepEqual(lengths({ epochs: 3 }, { steps: 10 }), [10, null]);
  assert.deepEqual(lengths({ steps: 10 }, { epochs: 3 }), [null, 3]);
  assert.deepEqual(lengths({ steps: 10 }, {}), [10, null]);
  refuses({ steps: 1, epochs: 1 }, /^\[source 0\] steps 1 and epochs 1/);
});

function lengths(...settings: GivenSettings[]) {
  const { steps, epochs } = resolve(...settings);
  return [steps, epochs];
}

test('ranks default to the most that have a core and divide the blocks', () => {
  assert.equal(defaultRanks(8, 2), 2);
  assert.equal(defaultRanks(8, 7), 4);
  assert.equal(defaultRanks(9, 2), 1);
  assert.equal(defaultRanks(4, 64), 4);
});

test('the default number of ghosts fits a narrow network; a given one must', () => {
  assert.equal(resolve({ width: 32, blocks: 4 }).ghosts, 8);
  refuses({ width: 32, blocks: 4, ghosts: 9 }, /9 ghosts of blocks of width 8.*needs ghosts ≤ 8/);
  assert.equal(resolve({ strategy: 'tensor', width: 32, blocks: 4, ghosts: 99 }).ghosts, 99);
});

test('ghosts is the largest of the layers, where they differ', () => {
  assert.equal(resolve({}).layerGhosts, null);
  assert.equal(resolve({ layerGhosts: [3, 20] }).ghosts, 20);
  const { width, depth, ghosts } = resolve({ widths: [64, 128, 32, 16], blocks: 4 });
  assert.deepEqual([width, depth, ghosts], [128, 3, 8]);
  refuses({ widths: [64, 32], depth: 2 }, /widths \[64,32\] of 2 hidden layers; needs 3 integers/);
  refuses({ widths: [64, 32], width: 32 }, /width 32, and 64 the largest of the widths/);
  refuses({ widths: [64, 30] }, /width 30 does not divide into 4 blocks; .* 28 and 32/);
  refuses({ widths: [64, 32, 16], ghosts: 9 }, /9 ghosts of blocks of width 8 \(width 32/);
  assert.deepEqual(resolve({ layerGhosts: [3, 20] }, { layerGhosts: null }).ghosts, 16);
  refuses({ layerGhosts: [3, 20], ghosts: 16 }, /ghosts 16, and 20 in a layer/);
  refuses({ layerGhosts: [3] }, /layer ghosts \[3\] of 2 hidden layers/);
  refuses({ layerGhosts: [3, 9], width: 32 }, /9 ghosts/);
  refuses({ layerGhosts: [3, 3], strategy: 'tensor' }, /tensor, which has no ghosts/);
});

test('nested ghosts come with micro-batches, and need ghosts', () => {
  assert.equal(resolve({}).accumulate, 1);
  assert.equal(resolve({ nestedGhosts: true }).accumulate, 4);
  assert.equal(resolve({ nestedGhosts: true, accumulate: 2 }).accumulate, 2);
  refuses({ nestedGhosts: true, accumulate: 1 }, /accumulate of at least 2/);
  refuses({ nestedGhosts: true, ghosts: 1 }, /at least 2 ghosts/);
  refuses({ nestedGhosts: true, strategy: 'tensor' }, /tensor, which has no ghosts/);
  refuses({ nestedGhosts: true, batch: 30 }, /nearest batches that fit: 28 and 32/);
  refuses({ ghostPrecision: 'int8', strategy: 'tensor' }, /int8 with strategy tensor/);
  refuses({ ghostActivation: 'tanh', strategy: 'tensor' }, /tanh with strategy tensor/);
});

test('sizes that do not fit are refused with those that do', () => {
  refuses({ width: 10, blocks: 4 }, /nearest widths that fit: 8 and 12/);
  refuses({ blocks: 4, ranks: 3 }, /ranks that fit: 1, 2, 4/);
  refuses({ bins: 1 }, /bins 1, which is the number itself; use 0, or 2 to 1024/);
  refuses({ batch: 128, accumulate: 3 }, /nearest batches that fit: 126 and 129/);
  refuses({ blocks: 1, width: 8 }, /phantom with 1 block/);
  refuses({ ends: 'sharded', loss: 'cross-entropy' }, /set loss mse, mae, huber or poisson/);
});
