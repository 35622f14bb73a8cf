import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunConfig } from '../checkpoints/run-folder.js';
import { runGroup } from './run-group.js';

const group = (settings: object = {}, fingerprint = 'a', loss = 'mse') =>
  runGroup({ settings, loss, data: { name: 'x.csv', fingerprint } } as unknown as RunConfig);

test('runs have a group in common where their losses compare', () => {
  const one = group({ target: ['y'] });
  assert.match(one, /^x\.csv: y, mse \([0-9a-f]{6}\)$/);
  for (const same of [{ lr: 1, width: 8 }, { huberDelta: 3 }]) {
    assert.equal(group({ target: ['y'], ...same }), one);
  }
  const others = [
    group({ target: ['z'] }),
    group({ target: ['y'] }, 'b'),
    group({ target: ['y'], labelSmoothing: 0.1 }),
    group({ target: ['y'], classWeights: 'balanced' }),
    group({ target: ['y'], weightColumn: 'w' }),
    ...[1, 3].map((huberDelta) => group({ target: ['y'], huberDelta }, 'a', 'huber')),
    ...[0.2, 0.3].map((q) => group({ target: ['y'], quantiles: [q] }, 'a', 'quantile')),
  ];
  assert.equal(new Set([one, ...others]).size, 1 + others.length);
});

test('runs of several seeds are one group where the seed chooses the rows', () => {
  assert.equal(group({ validation: 0.2 }, 'a'), 'x.csv, mse');
  assert.equal(group({ validation: 0.2 }, 'b'), 'x.csv, mse');
});
