import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { train } from '#src/app/train/train.js';
import type { Strategy } from '#src/layers/strategies.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { relativeError } from '../parity/assemble.js';
import { losses, readCheckpoint, temporaryFolder } from '../support/files.js';

const STEPS = 50;
const SETTINGS: Partial<TrainingSettings> = {
  width: 32,
  depth: 3,
  blocks: 4,
  ghosts: 2,
  engine: 'wasm',
  data: 'fashion-10k',
  steps: STEPS,
  optimizer: 'momentum',
  lr: 0.01,
  clipNorm: 5,
  accumulate: 2,
  logEvery: 1,
  validateEvery: STEPS,
  seed: 3,
};

async function run(folder: string, strategy: Strategy, replicas: number, ranks: number) {
  const out = path.join(folder, `${strategy}-${replicas}x${ranks}`);
  const end = await train({
    ...SETTINGS,
    strategy,
    replicas,
    ranks,
    batch: 48 / replicas,
    out,
  });
  const checkpoint = path.join(out, 'checkpoints', `step-000000${STEPS}`);
  return { end, losses: losses(out), weights: readCheckpoint(checkpoint) };
}

describe('D replicas of R ranks', () => {
  for (const strategy of ['phantom', 'tensor', 'tensor-paired'] as const) {
    it(`${strategy}: 1 × 4, 2 × 2 and 4 × 1 train the same network`, async (context) => {
      const folder = temporaryFolder(context);
      const one = await run(folder, strategy, 1, 4);
      for (const [replicas, ranks] of [
        [2, 2],
        [4, 1],
      ] as const) {
        const other = await run(folder, strategy, replicas, ranks);
        for (const [step, loss] of other.losses.entries()) {
          const expected = one.losses[step];
          // Sums over the batch in another order: float32 rounding, grown over the steps.
          assert.ok(Math.abs(loss - expected) < 1e-6 * expected, `step ${step + 1}: ${loss}`);
        }
        for (const [name, { values }] of one.weights) {
          const error = relativeError(other.weights.get(name)?.values ?? [], values);
          assert.ok(error < 1e-6, `${name}: ${error}`);
        }
        const { validationLoss, validationAccuracy } = other.end;
        assert.ok(Math.abs((validationLoss ?? 0) - (one.end.validationLoss ?? 0)) < 1e-4);
        assert.ok(Math.abs((validationAccuracy ?? 0) - (one.end.validationAccuracy ?? 0)) < 2e-3);
      }
    });
  }

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
    assert.ok(performance.now() - began < 20_000);
  });

  it('have the same bits in every run', async (context) => {
    const first = await run(temporaryFolder(context), 'phantom', 2, 2);
    const second = await run(temporaryFolder(context), 'phantom', 2, 2);
    assert.deepEqual(second.losses, first.losses);
    assert.deepEqual(second.weights, first.weights);
  });
});
