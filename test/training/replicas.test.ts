import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { train } from '#src/app/train/train.js';
import { temporaryFolder } from '../support/files.js';
import { sameNetwork, SETTINGS } from './replicas.js';

describe('D replicas of R ranks', () => {
  sameNetwork('phantom', { again: true });

  it('end together when a loss is not finite', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const diverging = {
      ...SETTINGS,
      optimizer: 'sgd',
      lr: 1e30,
      clipNorm: null,
      batch: 8,
    } as const;
    const began = performance.now();
    await assert.rejects(train({ ...diverging, replicas: 2, ranks: 2, out }), /loss of step 2 is/);
    // The time-out of a collective is 60 s.
    assert.ok(performance.now() - began < 45_000);
  });
});
