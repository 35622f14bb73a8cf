import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { evaluate } from '#src/app/evaluate/evaluate-run.js';
import { trainOnRanks } from '#src/app/train/train-on-ranks.js';
import { train } from '#src/app/train/train.js';
import { CheckpointError } from '#src/base/errors.js';
import { newestCheckpoint } from '#src/checkpoints/run-folder.js';
import type { Strategy } from '#src/layers/strategies.js';
import { resolveSettings } from '#src/settings/resolve.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { ALL } from '../support/all.js';
import { losses, readCheckpoint, readMetrics, temporaryFolder } from '../support/files.js';
import { resume } from '../support/resume.js';

const files = temporaryFolder({ after });
/** 300 rows of training, which 12 steps go through almost twice, and 100 of validation. */
const TABLE = path.join(files, 'table.csv');
const rows = Array.from({ length: 400 }, (_, row) => {
  const x = Array.from({ length: 9 }, (__, i) => Math.sin(row * (i + 1.7) + i));
  const [a = 0, b = 0] = x;
  const label = (a > 0 ? 1 : 0) + (b > 0 ? 1 : 0);
  return [...x.map((value) => value.toFixed(4)), label].join();
});
writeFileSync(TABLE, `a,b,c,d,e,f,g,h,i,label\n${rows.join('\n')}\n`);

const SETTINGS: Partial<TrainingSettings> = {
  width: 32,
  depth: 2,
  blocks: 4,
  ghosts: 3,
  ranks: 2,
  engine: 'wasm',
  data: TABLE,
  target: ['label'],
  validation: 0.25,
  batch: 48,
  accumulate: 2,
  steps: 12,
  optimizer: 'adamw',
  lr: 0.01,
  weightDecay: 0.01,
  schedule: 'cosine',
  warmup: 3,
  clipNorm: 1,
  logEvery: 1,
  checkpointEvery: 6,
  seed: 2,
};

function finalBits(run: string) {
  const folder = path.join(run, 'checkpoints', 'step-00000012');
  return { model: readCheckpoint(folder), optimizer: readCheckpoint(folder, 'optimizer') };
}

/** Uninterrupted runs, by strategy; tests copy them. */
const wholes = new Map<Strategy, Promise<string>>();
async function wholeRun(strategy: Strategy): Promise<string> {
  const out = path.join(files, strategy);
  const made = wholes.get(strategy) ?? train({ ...SETTINGS, strategy, out }).then(() => out);
  wholes.set(strategy, made);
  return made;
}

/** A run of its own to each test, whose last checkpoint is of step 12. */
async function copyOfWhole(context: { after(work: () => void): void }): Promise<string> {
  const out = path.join(temporaryFolder(context), 'copy');
  cpSync(await wholeRun('phantom'), out, { recursive: true, verbatimSymlinks: true });
  return out;
}

const SPLIT = { ends: 'replicated', input: 'phantom', head: 'phantom' } as const;
const TEACHER = 'synthetic:teacher?widths=13,9,6';
const SHAPES: [string, Partial<TrainingSettings>][] = [
  ['bfloat16 in several widths', { ...SPLIT, widths: [16, 32, 24], compute: 'bfloat16', ema: 0.9 }],
];
const MORE_SHAPES: typeof SHAPES = [
  ['residual blocks with dropout', { architecture: 'residual', dropout: 0.2 }],
  ['several widths', { ...SPLIT, widths: [16, 32, 24] }],
  ['bfloat16', { compute: 'bfloat16', ema: 0.9 }],
  ['nested ghosts with a function', { ghostActivation: 'tanh', nestedGhosts: true, ghosts: 2 }],
  ['residual blocks', { ...SPLIT, architecture: 'residual' }],
  ['bfloat16, paired', { compute: 'bfloat16', strategy: 'tensor-paired' }],
  ['paired residual blocks', { architecture: 'residual', strategy: 'tensor-paired' }],
  ['gated residual blocks', { architecture: 'residual', gated: true, expansion: 1 }],
];
for (const [name, shape] of ALL ? [...SHAPES, ...MORE_SHAPES] : SHAPES) {
  it(`a resumed run of ${name} has the bits of the uninterrupted one, on other ranks`, async (context) => {
    const whole = path.join(temporaryFolder(context), 'whole');
    await train({
      ...SETTINGS,
      ...shape,
      ranks: 1,
      data: TEACHER,
      target: null,
      validation: null,
      out: whole,
    });
    const half = path.join(temporaryFolder(context), 'half');
    cpSync(whole, half, { recursive: true });
    rmSync(path.join(half, 'checkpoints', 'step-00000012'), { recursive: true });
    await resume(half, { ranks: ALL ? 4 : 2 });
    assert.deepEqual(finalBits(half), finalBits(whole));
    assert.deepEqual(losses(half), losses(whole));
  });
}

for (const [strategy, numbers] of [
  ['phantom', [4]],
  ['tensor', [1]],
  ['tensor-paired', [1]],
] as const) {
  describe(`a resumed run of ${strategy}`, () => {
    it('has the bits of the uninterrupted one, on any ranks with the same tree', async (context) => {
      const whole = await wholeRun(strategy);
      for (const ranks of ALL ? [2, 1, 4] : numbers) {
        const half = path.join(temporaryFolder(context), 'half');
        cpSync(whole, half, { recursive: true });
        rmSync(path.join(half, 'checkpoints', 'step-00000012'), { recursive: true });
        const end = await resume(half, { ranks });
        assert.equal(end.step, 12);
        assert.deepEqual(finalBits(half), finalBits(whole), `${ranks} ranks`);
        assert.deepEqual(losses(half), losses(whole));
      }
    });
  });
}

describe('a run', () => {
  it('stops after the step in which it is asked to, and goes on from there', async (context) => {
    const whole = await wholeRun('phantom');
    const out = path.join(temporaryFolder(context), 'stopped');
    const stop = new AbortController();
    const settings = resolveSettings([{ where: 'test', settings: { ...SETTINGS, ranks: 1, out } }]);
    const onEvent = ({ type }: { type: string }) => {
      if (type === 'step') stop.abort();
    };
    const end = await trainOnRanks(settings, { onEvent, stop: stop.signal }, null);
    assert.equal(end.reason, 'interrupted');
    assert.ok(end.step >= 1 && end.step < 12);
    assert.match(end.resumeCommand ?? '', /--resume/);
    await resume(out, {});
    assert.deepEqual(finalBits(out), finalBits(whole));
  });

  it('keeps the newest checkpoints and that of step 0', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await train({ ...SETTINGS, ranks: 1, checkpointEvery: 2, keepCheckpoints: 2, out });
    assert.deepEqual(readdirSync(path.join(out, 'checkpoints')).toSorted(), [
      'best',
      'step-00000000',
      'step-00000010',
      'step-00000012',
    ]);
  });

  it('is not resumed with other data', async (context) => {
    const out = await copyOfWhole(context);
    const other = {
      steps: 14,
      validation: null,
      target: null,
      data: 'synthetic:teacher?widths=9,3&labels=argmax&validation=100',
    };
    await assert.rejects(
      train(other, { resume: out }),
      /trainingRows null, the run began with 300/,
    );
    await train({ steps: 13, ranks: 1 }, { resume: out });
  });

  it('stops when the target loss is reached', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const target = { steps: 200, validateEvery: 5, targetLoss: 0.8 };
    const end = await train({ ...SETTINGS, ranks: 1, ...target, out });
    assert.equal(end.reason, 'target-loss');
    assert.ok(end.step < 200 && end.step % 5 === 0);
    assert.ok((end.validationLoss as number) <= 0.8);
  });

  it('refuses a checkpoint in which any one byte is changed', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const small = { data: TEACHER, target: null, validation: null, ranks: 1, steps: 2 };
    await train({ ...SETTINGS, ...small, out });
    const checkpoint = path.join(out, 'checkpoints', 'step-00000002');
    for (const name of readdirSync(checkpoint)) {
      const file = path.join(checkpoint, name);
      const bytes = readFileSync(file);
      const changed = Buffer.from(bytes);
      const at = Math.floor(bytes.length * 0.7);
      changed[at] = (changed[at] as number) ^ 0x10;
      writeFileSync(file, changed);
      await assert.rejects(resume(out, { steps: 3 }), CheckpointError, name);
      writeFileSync(file, bytes);
    }
    await resume(out, { steps: 3 });
  });

  it('has a state in which every changed bit is found', async (context) => {
    const out = await copyOfWhole(context);
    const { folder } = newestCheckpoint(out);
    const file = path.join(folder, 'state.json');
    const bytes = readFileSync(file);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      // Every 41st is tried, which are all places in a byte in turn; with --all each.
      if (!ALL && bit % 41 !== 0) continue;
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      writeFileSync(file, changed);
      assert.throws(() => newestCheckpoint(out), CheckpointError, `bit ${bit}`);
    }
    writeFileSync(file, bytes.subarray(0, bytes.length - 1));
    assert.throws(() => newestCheckpoint(out), CheckpointError);
  });

  it('is evaluated to the validation loss that training saw', async () => {
    const out = await wholeRun('phantom');
    const end = readMetrics(out).at(-1) ?? {};
    const request = { model: out, data: null, engine: 'wasm', batch: 24 } as const;
    for (const ranks of ALL ? [1, 2, 4] : [1, 4]) {
      const report = await evaluate({ ...request, ranks, checkpoint: null });
      assert.equal(report.loss, end['validationLoss']);
      assert.equal(report.accuracy, end['validationAccuracy']);
      assert.equal(report.rows, 100);
    }
    const first = await evaluate({ ...request, ranks: 1, checkpoint: 'step-00000000' });
    assert.ok(first.loss > (end['validationLoss'] as number));
  });
});
