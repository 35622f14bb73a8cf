import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { train } from '#src/app/train/train.js';
import { writeSafetensors } from '#src/data/safetensors.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { randomStream } from '#src/tensor/random.js';
import { relativeError } from '../parity/assemble.js';
import { dense } from '../reference/matrix.js';
import { lossAndGradients } from '../reference/network.js';
import { referenceOptimizer } from '../reference/optimizers.js';
import { losses, readCheckpoint, temporaryFolder } from '../support/files.js';

const STEPS = 5;
const BATCH = 12;
const SETTINGS = {
  width: 32,
  depth: 2,
  blocks: 4,
  ghosts: 3,
  ranks: 2,
  activation: 'gelu',
  seed: 5,
  momentum: 0.9,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 0.001,
  weightDecay: 0.01,
  batch: BATCH,
  steps: STEPS,
  shuffle: false,
  logEvery: 1,
  checkpointEvery: STEPS,
} as const satisfies Partial<TrainingSettings>;

/**
 * Adam's first step is the sign of a gradient, unless it is not large against epsilon: with the
 * usual 1e-8, a gradient that cancels to below its float32 rounding error moves a weight anywhere
 * within the rate. A larger epsilon keeps such elements where both arithmetics agree.
 */
const RATES = { sgd: 0.05, momentum: 0.05, adam: 0.001, adamw: 0.001 };

/** Rows that do not fill whole batches, so that the run wraps. */
const ROWS = 40;

function writeData(file: string, features: number, targets: number, labels: boolean) {
  const x = new Float32Array(ROWS * features);
  randomStream(9, 'x').fillNormal(x, 0);
  const y = labels ? new BigInt64Array(ROWS) : new Float32Array(ROWS * targets);
  if (y instanceof Float32Array) randomStream(9, 'y').fillNormal(y, 0);
  else for (const i of y.keys()) y[i] = BigInt((i * 7) % targets);
  writeSafetensors(file, [
    { name: 'x', dtype: 'F32', shape: [ROWS, features], data: x },
    y instanceof Float32Array
      ? { name: 'y', dtype: 'F32', shape: [ROWS, targets], data: y }
      : { name: 'y', dtype: 'I64', shape: [ROWS], data: y },
  ]);
  return { x, y: Float64Array.from(y as ArrayLike<number | bigint> as never, Number) };
}

/** Batch t, feature-major: rows tB … tB+B−1, wrapping. */
function batch(values: ArrayLike<number>, width: number, step: number) {
  const columns = Array.from({ length: width * BATCH }, (_, i) => {
    const row = (step * BATCH + (i % BATCH)) % ROWS;
    return values[row * width + Math.floor(i / BATCH)];
  });
  return dense(width, BATCH, columns);
}

const STRATEGIES = ['phantom', 'tensor', 'tensor-paired'] as const;
const OPTIMIZERS = ['sgd', 'momentum', 'adam', 'adamw'] as const;
const LOSSES = ['mse', 'cross-entropy', 'sharded mse'] as const;

/**
 * Tests combinations of strategy, optimizer and loss: a third in which every two values of different
 * kinds meet, or the other two thirds.
 */
export function fiveSteps(which: 'all pairs' | 'the others'): void {
  describe('five steps give the weights of a float64 implementation', () => {
    for (const [s, strategy] of STRATEGIES.entries()) {
      for (const [o, optimizer] of OPTIMIZERS.entries()) {
        for (const [l, loss] of LOSSES.entries()) {
          if (((s + o) % LOSSES.length === l) !== (which === 'all pairs')) continue;
          it(`${strategy}, ${optimizer}, ${loss}`, async (context) => {
            await compare(temporaryFolder(context), {
              ...SETTINGS,
              strategy,
              optimizer,
              lr: RATES[optimizer],
              loss: loss === 'cross-entropy' ? loss : 'mse',
              ends: loss === 'sharded mse' ? 'sharded' : 'replicated',
            });
          });
        }
      }
    }
  });
}

async function compare(folder: string, settings: Partial<TrainingSettings>) {
  const [features, targets] = settings.ends === 'sharded' ? [32, 32] : [10, 6];
  const file = path.join(folder, 'data.safetensors');
  const data = writeData(file, features, targets, settings.loss === 'cross-entropy');
  const out = path.join(folder, 'run');
  await train({ ...settings, data: file, out });

  const tensors = readCheckpoint(path.join(out, 'checkpoints', 'step-00000000'));
  const shape = { ...SETTINGS, strategy: settings.strategy ?? '', loss: settings.loss ?? '' };
  const update = referenceOptimizer({ ...SETTINGS, name: settings.optimizer ?? '' });
  const expectedLosses: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const y = batch(data.y, settings.loss === 'mse' ? targets : 1, step);
    const { loss, gradients } = lossAndGradients(shape, tensors, batch(data.x, features, step), y);
    expectedLosses.push(loss);
    update(tensors, gradients, settings.lr ?? 0);
  }
  const trained = readCheckpoint(path.join(out, 'checkpoints', 'step-00000005'));
  assert.deepEqual([...trained.keys()].toSorted(), [...tensors.keys()].toSorted());
  for (const [name, { values }] of tensors) {
    const error = relativeError(trained.get(name)?.values ?? [], values);
    assert.ok(error < 1e-5, `${name}: relative error ${error}`);
  }
  for (const [step, loss] of losses(out).entries()) {
    const expected = expectedLosses[step];
    assert.ok(Math.abs(loss - expected) < 1e-5 * expected, `step ${step + 1}: ${loss} ${expected}`);
  }
}
