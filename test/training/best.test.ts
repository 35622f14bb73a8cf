import assert from 'node:assert/strict';
import { cpSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { train } from '#src/app/train/train.js';
import { exitCode } from '#src/cli/train-command.js';
import { CheckpointError, ConfigError } from '#src/base/errors.js';
import { readCheckpointState } from '#src/checkpoints/checkpoint-folder.js';
import { describeModel, openModel } from '#src/models/model-source.js';
import type { TrainingEvent, ValidationEvent } from '#src/training/events.js';
import { readCheckpoint, temporaryFolder } from '../support/files.js';
import { NOISE } from '../support/noise.js';

const SETTINGS = {
  ...({ width: 16, depth: 1, blocks: 2, ghosts: 2, ranks: 2, engine: 'wasm' } as const),
  ...({ batch: 12, lr: 0.03, steps: 8, validateEvery: 1, logEvery: 1, meter: 'none' } as const),
};
/** What does not depend on ranks. */
const ALONE = { ...SETTINGS, ranks: 1 };
const shared = temporaryFolder({ after });
const run = path.join(shared, 'run');
const events: TrainingEvent[] = [];
const whole = train(
  { ...SETTINGS, ...NOISE, out: run },
  { onEvent: (event) => void events.push(event) },
);
const names = (folder: string) => readdirSync(path.join(folder, 'checkpoints')).toSorted();

describe('the best checkpoint', () => {
  it('is of the least validation loss, kept until another is better', async () => {
    const { best, step } = await whole;
    const losses = events
      .filter((event): event is ValidationEvent => event.type === 'validation')
      .map(({ loss }) => loss);
    assert.equal(losses.length, 8);
    const least = Math.min(...losses);
    assert.deepEqual(best, { by: 'loss', value: least, step: losses.indexOf(least) + 1 });
    assert.ok(best.step > 1 && best.step < step, `the best of ${losses.join(' ')} is in between`);
    // Those that were the best before are gone, though none was to be pruned.
    const name = `step-0000000${best.step}`;
    assert.deepEqual(names(run), ['best', 'step-00000000', name, 'step-00000008']);
    assert.equal(path.basename(realpathSync(path.join(run, 'checkpoints', 'best'))), name);
    const state = readCheckpointState(path.join(run, 'checkpoints', name));
    assert.deepEqual([state.onlyBest, state.progress.best], [true, best]);
  });

  it('is what is opened, and said; --checkpoint chooses another', async () => {
    const { best } = await whole;
    const opened = openModel(run);
    assert.equal(opened.step, best?.step);
    assert.match(opened.standing ?? '', /^the best, with validation loss .*; the last is step 8$/);
    const steps = ['best', 'last', 'step-0', `step-0000000${best?.step}`].map(
      (checkpoint) => openModel(run, { checkpoint }).step,
    );
    assert.deepEqual(steps, [best?.step, 8, 0, best?.step]);
    // The link leads to a folder that stays the same while it is read.
    const byLink = describeModel(path.join(run, 'checkpoints', 'best'));
    assert.match(byLink.weights, /step-\d+$/);
    const refused = (checkpoint: string, message: RegExp, folder = run) =>
      assert.throws(
        () => openModel(folder, { checkpoint }),
        (error) => error instanceof CheckpointError && message.test(error.message),
      );
    refused('step-7', /no checkpoint of step 7; it has those of step 0, \d, 8$/);
    refused('elsewhere', /use best, last, step-100 or a path/);
    refused('last', /is no run folder; leave --checkpoint out/, byLink.weights);
  });

  it('is the same after a run was cut off and went on', async (context) => {
    await whole;
    const folder = temporaryFolder(context);
    for (const cut of [1, 4, 6]) {
      const out = path.join(folder, String(cut));
      await train({ ...ALONE, ...NOISE, out, steps: cut });
      const end = await train({ ...ALONE, ...NOISE }, { resume: out });
      assert.deepEqual(end.best, (await whole).best);
      const weights = (of: string) => readCheckpoint(openModel(of, { checkpoint: 'best' }).weights);
      assert.deepEqual(weights(out), weights(run));
    }
  });

  it('can be by accuracy, or none', async (context) => {
    const folder = temporaryFolder(context);
    const made = { ...ALONE, ...NOISE, steps: 3 };
    const by = await train({ ...made, bestBy: 'accuracy', out: path.join(folder, 'a') });
    assert.equal(by.best?.by, 'accuracy');
    const none = await train({ ...made, bestBy: null, out: path.join(folder, 'b') });
    assert.equal(none.best, null);
    assert.equal(openModel(none.runFolder).step, 3);
    assert.throws(() => openModel(none.runFolder, { checkpoint: 'best' }), /nothing was validated/);
    const numbers = { ...made, bestBy: 'rmse' } as const;
    await assert.rejects(train({ ...numbers, out: path.join(folder, 'c') }), ConfigError);
  });

  it('that was removed is missed, and not replaced in silence', async (context) => {
    const { best } = await whole;
    const copy = path.join(temporaryFolder(context), 'copy');
    cpSync(run, copy, { recursive: true, verbatimSymlinks: true });
    rmSync(path.join(copy, 'checkpoints', `step-0000000${best?.step}`), { recursive: true });
    assert.throws(
      () => openModel(copy),
      /the best checkpoint of .*, that of step \d, is missing; use --checkpoint last/,
    );
    assert.equal(openModel(copy, { checkpoint: 'last' }).step, 8);
  });
});

describe('a run that diverges', () => {
  it('ends as diverged, with what to do, and leaves what was the best', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const warnings: string[] = [];
    const end = await train(
      {
        ...{ ...ALONE, ...NOISE, batch: 32, out },
        ...({ activation: 'tanh', optimizer: 'sgd', lr: 300, steps: 100 } as const),
      },
      {
        onEvent(event) {
          if (event.type === 'warning') warnings.push(event.message);
        },
      },
    );
    assert.equal(end.reason, 'diverged');
    assert.ok(end.step < 100, `after ${end.step} steps`);
    assert.match(warnings.join('\n'), /training diverged: .* use a smaller --lr, --clip-norm 1/);
    assert.equal(openModel(out).step, end.best?.step);
    assert.ok(!names(out).includes(`step-000000${end.step}`), 'not what diverged');
    assert.match(end.resumeCommand ?? '', /resume/);
    assert.equal(exitCode(end, 130), 3);
  });
});
