import assert from 'node:assert/strict';
import path from 'node:path';
import { it } from 'node:test';
import { train } from '#src/app/train/train.js';
import type { Strategy } from '#src/layers/strategies.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { relativeError } from '../parity/assemble.js';
import { losses, readCheckpoint, temporaryFolder } from '../support/files.js';

const STEPS = 20;
export const SETTINGS: Partial<TrainingSettings> = {
  width: 32,
  depth: 3,
  blocks: 4,
  ghosts: 2,
  engine: 'wasm',
  data: 'synthetic:teacher?widths=24,16,6&labels=argmax&validation=1000',
  steps: STEPS,
  optimizer: 'momentum',
  lr: 0.01,
  clipNorm: 5,
  accumulate: 2,
  logEvery: 1,
  validateEvery: STEPS,
  seed: 3,
};

export async function runReplicas(
  folder: string,
  strategy: Strategy,
  replicas: number,
  ranks: number,
) {
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

/**
 * Tests that four ranks train the same network however many replicas they make up.
 * @param choice.again whether two replicas are run twice, for the same bits
 */
export function sameNetwork(strategy: Strategy, { again = false } = {}): void {
  it(`${strategy}: 1 × 4, 2 × 2 and 4 × 1 train the same network`, async (context) => {
    const folder = temporaryFolder(context);
    const one = await runReplicas(folder, strategy, 1, 4);
    for (const [replicas, ranks] of [
      [2, 2],
      [4, 1],
    ] as const) {
      const other = await runReplicas(folder, strategy, replicas, ranks);
      for (const [step, loss] of other.losses.entries()) {
        const expected = one.losses[step];
        // Sums over the batch in another order: float32 rounding, grown over the steps.
        assert.ok(Math.abs(loss - expected) < 1e-6 * expected, `step ${step + 1}: ${loss}`);
      }
      for (const [name, { values }] of one.weights) {
        const error = relativeError(other.weights.get(name)?.values ?? [], values);
        assert.ok(error < 1e-6, `${name}: ${error}`);
      }
      if (again && replicas === 2) {
        const same = await runReplicas(temporaryFolder(context), strategy, replicas, ranks);
        assert.deepEqual(same.losses, other.losses);
        assert.deepEqual(same.weights, other.weights);
      }
      const { validationLoss, validationAccuracy } = other.end;
      assert.ok(Math.abs((validationLoss ?? 0) - (one.end.validationLoss ?? 0)) < 1e-4);
      assert.ok(Math.abs((validationAccuracy ?? 0) - (one.end.validationAccuracy ?? 0)) < 2e-3);
    }
  });
}
