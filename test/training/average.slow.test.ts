import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { evaluate } from '#src/app/evaluate/evaluate-run.js';
import { train, type TrainSettings } from '#src/app/train/train.js';
import { losses, readCheckpoint, readMetrics, temporaryFolder } from '../support/files.js';
import { NOISE } from '../support/noise.js';

const SETTINGS: TrainSettings = {
  ...NOISE,
  ...({ width: 16, depth: 1, blocks: 4, ghosts: 2, ranks: 2, engine: 'wasm' } as const),
  ...({ batch: 8, lr: 3, optimizer: 'sgd', steps: 12, validateEvery: 2, logEvery: 1 } as const),
  ...({ checkpointEvery: 1, meter: 'none', seed: 5 } as const),
  ...({ ema: 0.9, schedule: 'plateau', plateauPatience: 1, plateauFactor: 0.3 } as const),
};
const at = (run: string, step: number) =>
  path.join(run, 'checkpoints', `step-${String(step).padStart(8, '0')}`);
const kinds = ['model', 'average'] as const;
const bits = (run: string) => kinds.map((kind) => readCheckpoint(at(run, 12), kind));
const validations = (run: string) =>
  readMetrics(run)
    .filter(({ type }) => type === 'validation')
    .map(({ loss, rateFactor }) => [loss, rateFactor]);

describe('a run with an average of weights and a rate that falls', () => {
  it('keeps the average that the formula gives', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await train({ ...SETTINGS, out });
    for (let step = 0; step < 12; step++) {
      const [before, now, weights] = [
        readCheckpoint(at(out, step), 'average'),
        readCheckpoint(at(out, step + 1), 'average'),
        readCheckpoint(at(out, step + 1)),
      ];
      const decay = Math.min(0.9, (1 + step) / (10 + step));
      for (const [name, { values }] of now) {
        for (const [i, value] of values.entries()) {
          const a = before.get(name)?.values[i] as number;
          const w = weights.get(name)?.values[i] as number;
          const expected = a + (1 - decay) * (w - a);
          assert.ok(Math.abs(value - expected) <= 1e-6 * Math.max(1, Math.abs(a), Math.abs(w)));
        }
      }
    }
    assert.deepEqual(readCheckpoint(at(out, 0), 'average'), readCheckpoint(at(out, 0)));
  });

  it('validates the average and opens it, and trains as without', async (context) => {
    const folder = temporaryFolder(context);
    const [out, plain] = ['run', 'plain'].map((name) => path.join(folder, name)) as [
      string,
      string,
    ];
    // Rates would differ with what is validated.
    const steady = { ...SETTINGS, lr: 0.1, schedule: 'constant', checkpointEvery: null } as const;
    const end = await train({ ...steady, out });
    const without = await train({ ...steady, ema: null, out: plain });
    assert.deepEqual(readCheckpoint(at(out, 12)), readCheckpoint(at(plain, 12)));
    assert.notEqual(end.validationLoss, without.validationLoss);
    const found = await evaluate({
      model: out,
      checkpoint: 'last',
      engine: 'wasm',
      batch: 8,
      data: NOISE.validation,
    });
    assert.equal(found.loss, end.validationLoss);
  });

  it('has the bits of the uninterrupted one after it went on, wherever it was cut', async (context) => {
    const folder = temporaryFolder(context);
    const whole = path.join(folder, 'whole');
    await train({ ...SETTINGS, out: whole });
    const rates = validations(whole).map(([, factor]) => factor);
    assert.ok(new Set(rates).size > 2, `the rate falls: ${rates.join(' ')}`);
    for (const [cut, ranks] of [
      [1, 2],
      [5, 4],
      [8, 1],
    ] as const) {
      const out = path.join(folder, String(cut));
      await train({ ...SETTINGS, out, steps: cut });
      rmSync(path.join(out, 'checkpoints', 'best'), { force: true });
      await train({ ...SETTINGS, ranks }, { resume: out });
      assert.deepEqual(bits(out), bits(whole), `cut at ${cut}`);
      assert.deepEqual(losses(out), losses(whole));
      assert.deepEqual(validations(out).slice(-3), validations(whole).slice(-3));
    }
  });

  it('decides the same with replicas', async (context) => {
    const folder = temporaryFolder(context);
    const [one, two] = ['one', 'two'].map((name) => path.join(folder, name)) as [string, string];
    await train({ ...SETTINGS, checkpointEvery: null, out: one });
    await train({ ...SETTINGS, checkpointEvery: null, out: two, replicas: 2, batch: 4, ranks: 1 });
    const factors = (run: string) => validations(run).map(([, factor]) => factor);
    assert.deepEqual(factors(two), factors(one));
  });

  it('stops early where validations get no better, and says since when', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    // A rate of almost nothing: no validation is better than the first by accuracy.
    const still = { ...SETTINGS, ...({ lr: 1e-12, ema: null, earlyStopping: 2 } as const) };
    const end = await train({ ...still, bestBy: 'accuracy', out });
    assert.deepEqual([end.reason, end.step, end.best?.step], ['early-stopping', 6, 2]);
    await train({ ...still, bestBy: 'accuracy' }, { resume: out });
    assert.equal(readMetrics(out).at(-1)?.['step'], 8);
  });
});
