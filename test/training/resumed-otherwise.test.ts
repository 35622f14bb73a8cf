import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { train, type TrainSettings } from '#src/app/train/train.js';
import { losses, temporaryFolder } from '../support/files.js';
import { NOISE } from '../support/noise.js';

const SETTINGS: TrainSettings = {
  ...{ ...NOISE, width: 8, depth: 1, blocks: 2, ghosts: 2, ranks: 1, engine: 'wasm' },
  ...({ batch: 8, lr: 0.01, schedule: 'linear', logEvery: 1, meter: 'none' } as const),
};

/** Goes on with a run. @returns its warnings */
async function goOn(run: string, settings: TrainSettings): Promise<string[]> {
  const said: string[] = [];
  const onEvent = (event: { type: string; message?: string }) => {
    if (event.type === 'warning') said.push(event.message ?? '');
  };
  await train({ ...SETTINGS, ...settings }, { resume: run, onEvent });
  return said;
}

describe('a run that goes on', () => {
  it('says which setting moves the end of its schedule, and how the rate jumps', async (context) => {
    const folder = temporaryFolder(context);
    const [a, b, whole] = ['a', 'b', 'c'].map((name) => path.join(folder, name)) as [
      string,
      string,
      string,
    ];
    await train({ ...SETTINGS, steps: 4, out: a });
    await train({ ...SETTINGS, steps: 4, scheduleSteps: 10, out: b });
    await train({ ...SETTINGS, steps: 10, out: whole });
    assert.deepEqual(await goOn(a, { steps: 8 }), [
      '--steps 8 moves the end of schedule linear from step 4 to 8: the learning rate goes on at ' +
        '0.005, not 0; --schedule-steps 4 keeps the old rates',
    ]);
    const cosine = path.join(folder, 'd');
    await train({ ...SETTINGS, schedule: 'cosine', epochs: 1, out: cosine });
    const said = await goOn(cosine, { schedule: 'cosine', epochs: 2 });
    assert.match(
      said.join('|'),
      /^--epochs 2 moves the end of schedule cosine from step (\d+) to \d+: the learning rate goes on at 0\.005\d*, not 0; --schedule-steps \1 keeps the old rates$/,
    );
    // The end of the schedule says it all, however long the run was to be.
    assert.deepEqual(await goOn(b, { steps: 10, scheduleSteps: 10 }), []);
    assert.deepEqual(losses(b), losses(whole));
  });

  it('says which other settings differ, and that its data do', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await train({ ...SETTINGS, steps: 2, out });
    const x = NOISE.data.x.map((row, i) => (i === 20 ? row.map((value) => value + 1) : row));
    const said = await goOn(out, { steps: 2, lr: 0.02, data: { ...NOISE.data, x } });
    assert.match(said[0] ?? '', /settings differ .* \(lr 0\.01 → 0\.02\): this is not the run/);
    assert.match(said[1] ?? '', /the data are not those .*numbers of rows and 4096 evenly spaced/);
    assert.equal(said.length, 2);
  });
});
