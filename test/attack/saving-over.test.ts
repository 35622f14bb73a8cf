import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { train, type TrainSettings } from 'phantom-parallel';
import {
  loadCheckpoint,
  newestCheckpoint,
  newestWholeCheckpoint,
  saveCheckpoint,
} from 'phantom-parallel/checkpoints';
import { createEngine } from '#src/app/ranks/engines.js';
import { Parameter } from '#src/autograd/tape.js';
import { CheckpointError, ConfigError } from '#src/base/errors.js';
import { tidyCheckpoints } from '#src/checkpoints/checkpoint-list.js';
import { Communicator } from '#src/communicators/communicator.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { diesAt } from '../support/dying-files.js';
import { temporaryFolder } from '../support/files.js';
import { numbersOf } from '../support/numbers.js';

const VALUES = 100;
let weights: Parameter;
before(async () => {
  const engine = await createEngine('wasm', { relaxedSimd: false });
  weights = new Parameter(engine, { name: 'w', block: 0, shape: [VALUES] });
});

function save(run: string, value: number, step = 1, keep: number | null = null): string {
  numbersOf(weights.value).fill(value);
  const contents = {
    parameters: [weights],
    optimizerState: [],
    step,
    seed: 0,
    configHash: '',
    texts: { 'schema.json': `${value}` },
  };
  const communicator = new Communicator(new SoloTransport());
  return saveCheckpoint(path.join(run, 'checkpoints'), contents, communicator, keep);
}

/** What the newest checkpoint holds, after every hash has been checked. */
function held(run: string): number {
  const { folder } = newestCheckpoint(run);
  const target = { parameters: [weights], optimizerState: null };
  loadCheckpoint(folder, target, new Communicator(new SoloTransport()));
  const [value = Number.NaN] = numbersOf(weights.value);
  assert.ok(numbersOf(weights.value).every((each) => each === value));
  return value;
}

describe('saving over a step that is there', () => {
  it('leaves the new one, and nothing else', (context) => {
    const run = temporaryFolder(context);
    for (const value of [1, 2, 3]) {
      save(run, value);
      assert.equal(held(run), value);
    }
    assert.deepEqual(readdirSync(path.join(run, 'checkpoints')), ['step-00000001']);
  });

  it('leaves the old one or the new one, whole, wherever the process is killed', (context) => {
    const folder = temporaryFolder(context);
    const seen = new Set<number>();
    let at = 1;
    for (; ; at++) {
      const run = path.join(folder, `${at}`);
      save(run, 1);
      const died = diesAt(at, () => save(run, 2));
      seen.add(held(run));
      if (!died) break;
      // Who goes on with the run finds the same, and clears the rest away.
      const left = held(run);
      tidyCheckpoints(path.join(run, 'checkpoints'));
      assert.equal(held(run), left, `operation ${at}`);
      assert.deepEqual(readdirSync(path.join(run, 'checkpoints')), ['step-00000001']);
      save(run, 3);
      assert.equal(held(run), 3);
    }
    assert.ok(at > 20, `${at} operations`);
    assert.deepEqual(seen, new Set([1, 2]));
  });

  it('loses nothing when clearing up is killed too', (context) => {
    const folder = temporaryFolder(context);
    for (let at = 1; ; at++) {
      const run = path.join(folder, `${at}`);
      save(run, 1);
      const checkpoints = path.join(run, 'checkpoints');
      const [aside, partial] = ['.step-00000001.0123abcd.replaced', '.step-00000001.partial'];
      cpSync(path.join(checkpoints, 'step-00000001'), path.join(checkpoints, partial), {
        recursive: true,
      });
      renameSync(path.join(checkpoints, 'step-00000001'), path.join(checkpoints, aside));
      const died = diesAt(at, () => tidyCheckpoints(checkpoints));
      assert.equal(held(run), 1, `operation ${at}`);
      if (!died) break;
    }
  });

  it('keeps what was set aside while the one in its place is damaged', (context) => {
    const run = temporaryFolder(context);
    const final = save(run, 1);
    const aside = path.join(path.dirname(final), '.step-00000001.0123abcd.replaced');
    cpSync(final, aside, { recursive: true });
    writeFileSync(path.join(final, 'schema.json'), '2');
    tidyCheckpoints(path.dirname(final));
    assert.equal(newestWholeCheckpoint(run, () => {})?.folder, aside);
    assert.equal(held(run), 1);
  });

  it('keeps the one just saved, whatever its step', (context) => {
    const run = temporaryFolder(context);
    for (const step of [5, 6, 2]) save(run, step, step, 2);
    assert.deepEqual(readdirSync(path.join(run, 'checkpoints')), [
      'step-00000002',
      'step-00000006',
    ]);
  });
});

describe('a run folder', () => {
  const settings: TrainSettings = {
    ...{ data: 'synthetic:teacher?widths=4,8,2', width: 8, depth: 1, blocks: 2, ghosts: 1 },
    ...{ ranks: 1, batch: 4, steps: 1 },
    engine: 'wasm',
  };

  it('without its config is not written into', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await train({ ...settings, out });
    rmSync(path.join(out, 'config.json'));
    const refused = (error: Error) =>
      error instanceof ConfigError && /without the config\.json of their run/.test(error.message);
    await assert.rejects(train({ ...settings, out }), refused);
    rmSync(path.join(out, 'checkpoints'), { recursive: true });
    await assert.rejects(train({ ...settings, out }), refused);
    assert.deepEqual(readdirSync(out), ['metrics.jsonl']);
  });

  it('keeps every damaged checkpoint, also of a run that fails at once', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await train({ ...settings, out });
    const damage = () => {
      for (const step of [0, 1]) {
        const folder = path.join(out, 'checkpoints', `step-0000000${step}`);
        writeFileSync(path.join(folder, 'state.json'), '{}');
      }
    };
    damage();
    await train({ ...settings, out }, { resume: 'auto' });
    damage();
    // The first checkpoint cannot be written: a file has its name.
    writeFileSync(path.join(out, 'checkpoints', '.step-00000000.partial'), '');
    await assert.rejects(train({ ...settings, out }, { resume: 'auto' }), CheckpointError);
    assert.deepEqual(readdirSync(path.join(out, 'checkpoints')), [
      'best',
      'step-00000000.damaged',
      'step-00000000.damaged-2',
      'step-00000001.damaged',
      'step-00000001.damaged-2',
    ]);
  });

  it('has checkpoints whatever else lies among them', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await train({ ...settings, out });
    const checkpoints = path.join(out, 'checkpoints');
    for (const name of ['step-99999999999999999999', 'step-000000000009', 'step-x', 'a b']) {
      mkdirSync(path.join(checkpoints, name));
    }
    writeFileSync(path.join(checkpoints, 'step-00000099'), '');
    assert.equal(newestCheckpoint(out).step, 1);
    const end = await train({ steps: 2, keepCheckpoints: 1 }, { resume: out });
    assert.equal(end.step, 2);
    assert.equal(readdirSync(checkpoints).length, 8);
  });
});
