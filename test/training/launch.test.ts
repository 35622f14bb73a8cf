// `phantom launch` on threads, and going on from the newest whole checkpoint.
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { train } from '#src/app/train/train.js';
import { ConfigError } from '#src/base/errors.js';
import { newestWholeCheckpoint } from '#src/checkpoints/run-folder.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import type { TrainingEvent } from '#src/training/events.js';
import { ALL } from '../support/all.js';
import { losses, readCheckpoint, temporaryFolder } from '../support/files.js';
import { startLaunch } from '../support/launch.js';
import { trainingProcesses } from '../support/processes.js';

const SETTINGS: Partial<TrainingSettings> = {
  width: 32,
  depth: 2,
  blocks: 4,
  ghosts: 3,
  ranks: 2,
  engine: 'wasm',
  data: 'synthetic:teacher?widths=16,32,4&validation=16',
  batch: 16,
  steps: 12,
  optimizer: 'adamw',
  lr: 0.01,
  logEvery: 1,
  checkpointEvery: 3,
};

function endOf(run: string, step = 12) {
  const folder = path.join(run, 'checkpoints', `step-${String(step).padStart(8, '0')}`);
  return [readCheckpoint(folder), readCheckpoint(folder, 'optimizer'), losses(run)];
}

describe('resume auto', () => {
  it('goes on from the newest whole checkpoint and tells of damaged ones', async (context) => {
    const folder = temporaryFolder(context);
    const whole = path.join(folder, 'whole');
    await train({ ...SETTINGS, out: whole });
    const expected = endOf(whole);
    const damages: [string, (checkpoint: string) => void][] = [
      ['model-00002-of-00002.safetensors', (file) => truncateSync(file, 100)],
      ['optimizer-00001-of-00002.safetensors', flip],
      ['model.safetensors.index.json', flip],
      ['state.json', flip],
    ];
    for (const [name, damage] of damages) {
      const run = path.join(folder, name);
      cpSync(whole, run, { recursive: true });
      for (const step of ['step-00000012', 'step-00000009']) {
        damage(path.join(run, 'checkpoints', step, name));
      }
      const told: TrainingEvent[] = [];
      await assert.rejects(train({}, { resume: run }), /checkpoints\/step-00000012\//);
      if (!ALL && name !== 'state.json') {
        // What is found is what a run goes on from; that is done once.
        const lines: string[] = [];
        const found = newestWholeCheckpoint(run, (line) => lines.push(line));
        assert.equal(found?.step, 6, name);
        assert.equal(lines.length, 2);
        for (const line of lines) assert.match(line, /skipped, kept as .*\.damaged$/);
        continue;
      }
      const settings = { ...SETTINGS, out: run, keepCheckpoints: 1 };
      await train(settings, { resume: 'auto', onEvent: (event) => told.push(event) });
      const start = told.find(({ type }) => type === 'start');
      assert.equal(start?.type === 'start' && start.firstStep, 6, name);
      const warnings = told.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
      assert.equal(warnings.length, 2, warnings.join('\n'));
      for (const line of warnings) assert.match(line, /skipped, kept as .*\.damaged$/);
      assert.deepEqual(endOf(run), expected);
      assert.deepEqual(readdirSync(path.join(run, 'checkpoints')).toSorted(), [
        'best',
        'step-00000000',
        'step-00000009.damaged',
        'step-00000012',
        'step-00000012.damaged',
      ]);
    }
  });

  it('starts anew where there is no run, or no whole checkpoint', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await assert.rejects(train(SETTINGS, { resume: 'auto' }), (error: Error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /auto needs a run folder; set --out/);
      return true;
    });
    const settings = { ...SETTINGS, ranks: 1, steps: 3, out };
    await train(settings, { resume: 'auto' });
    const expected = endOf(out, 3);
    const checkpoints = path.join(out, 'checkpoints');
    for (const name of readdirSync(checkpoints)) {
      if (name !== 'best') flip(path.join(checkpoints, name, 'state.json'));
    }
    const told: string[] = [];
    const onEvent = (event: TrainingEvent) => {
      if (event.type === 'warning') told.push(event.message);
    };
    await train(settings, { resume: 'auto', onEvent });
    assert.match(told.at(-1) ?? '', /no intact checkpoint: the run starts from the beginning/);
    assert.deepEqual(endOf(out, 3), expected);
    await assert.rejects(
      train({ ...SETTINGS, width: 64, out }, { resume: 'auto' }),
      /--width 64, but the run has width 32/,
    );
  });
});

function flip(file: string): void {
  const bytes = readFileSync(file);
  const at = Math.floor(bytes.length * 0.7);
  bytes[at] = (bytes[at] as number) ^ 0x10;
  writeFileSync(file, bytes);
}

/** What `.ci/run` runs with `--all`. */
const withAll = !ALL && 'runs with --all';
const linux = process.platform === 'linux' ? false : 'finds processes by /proc';

describe('launch on threads', { skip: linux }, () => {
  const THREADS = ['--transport', 'threads', '--ranks', '2', '--json'];

  function configured(folder: string, settings: Partial<TrainingSettings> = {}) {
    const file = path.join(folder, 'config.json');
    writeFileSync(file, JSON.stringify({ ...SETTINGS, ...settings }));
    return ['--', 'train', file];
  }

  it(
    'goes on after kills to the bits of an undisturbed run',
    { skip: withAll },
    async (context) => {
      const folder = temporaryFolder(context);
      const settings = { steps: 1200, checkpointEvery: 50, keepCheckpoints: 2, logEvery: 100 };
      const whole = path.join(folder, 'whole');
      await train({ ...SETTINGS, ...settings, ranks: 1, checkpointEvery: 1200, out: whole });
      const out = path.join(folder, 'run');
      let kills = 0;
      const { result } = startLaunch(
        folder,
        [...THREADS, ...configured(folder, settings), '--out', out],
        ({ type, step }) => {
          const due = kills === 0 ? type === 'start' : type === 'checkpoint' && (step ?? 0) >= 200;
          if (!due || kills === 2) return;
          kills++;
          for (const { pid } of trainingProcesses(out)) process.kill(pid, 'SIGKILL');
        },
      );
      const { code, events, stderr } = await result;
      assert.deepEqual([code, stderr], [0, '']);
      assert.deepEqual(
        events.map(({ type }) => type).filter((type) => type === 'launch' || type === 'end'),
        ['launch', 'end'],
      );
      assert.match(events[0]?.where ?? '', /2 worker threads of one process/);
      const restarts = events.filter(({ type }) => type === 'restart');
      assert.equal(restarts.length, 2);
      assert.equal(restarts[1]?.cause, 'the process was killed by SIGKILL');
      assert.ok((restarts[1]?.step ?? 0) >= 200);
      assert.deepEqual(endOf(out, 1200), endOf(whole, 1200));
    },
  );

  it('gives up with the first cause', { skip: withAll }, async (context) => {
    const folder = temporaryFolder(context);
    const out = path.join(folder, 'run');
    const args = [...THREADS, '--max-restarts', '1', ...configured(folder, { steps: 1e6 })];
    let kills = 0;
    const { result } = startLaunch(folder, [...args, '--out', out], ({ type }) => {
      if (type !== 'start') return;
      const signal = kills++ === 0 ? 'SIGABRT' : 'SIGKILL';
      for (const { pid } of trainingProcesses(out)) process.kill(pid, signal);
    });
    const { code, events, stderr } = await result;
    assert.equal(code, 2);
    assert.equal(kills, 2);
    const message =
      '[launch] gave up after 1 restart; the first cause was: the process was killed by SIGABRT';
    assert.equal(events.at(-1)?.message, message);
    assert.ok(stderr.endsWith(`phantom: ${message}\n`), stderr);
  });

  it('ends at once when another start would not help', { skip: withAll }, async (context) => {
    const folder = temporaryFolder(context);
    const cases: [Partial<TrainingSettings>, RegExp][] = [
      [{ ghosts: 9 }, /9 ghosts .*needs ghosts/],
      [{ data: 'nowhere.csv' }, /nowhere\.csv/],
      [{ optimizer: 'sgd', lr: 1e30, steps: 100 }, /loss of step \d/],
    ];
    for (const [settings, expected] of cases) {
      const args = [...THREADS, ...configured(folder, settings), '--out', 'run'];
      const { code, events, stderr } = await startLaunch(folder, args).result;
      assert.equal(code, 2, stderr);
      assert.equal(events.filter(({ type }) => type === 'restart').length, 0);
      assert.match(stderr, expected);
      assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
    }
  });

  it('ends with a checkpoint on SIGTERM, and goes on by the command it tells', async (context) => {
    const folder = temporaryFolder(context);
    const args = [...THREADS, ...configured(folder, { steps: 1e6 }), '--out', 'run'];
    let told = false;
    const launched = startLaunch(folder, args, ({ type }) => {
      if (type === 'step' && !told) told = launched.child.kill('SIGTERM');
    });
    const { code, events } = await launched.result;
    assert.equal(code, 143);
    const end = events.at(-1) as unknown as Record<string, string | number>;
    assert.equal(end['reason'], 'interrupted');
    assert.match(
      String(end['resumeCommand']),
      /^node \S+main\.js launch --ranks 2 --transport threads -- train --resume run$/,
    );
    const again = ['--', 'train', '--resume', 'run', '--steps', String(Number(end['step']) + 2)];
    const more = await startLaunch(folder, [...THREADS, ...again]).result;
    assert.equal(more.code, 0, more.stderr);
    const refused = await startLaunch(folder, args).result;
    assert.match(refused.stderr, /run already holds a run; continue it with --resume run/);
  });

  it('stops with a checkpoint when it is killed itself', { skip: withAll }, async (context) => {
    const folder = temporaryFolder(context);
    const out = path.join(folder, 'run');
    const args = [...THREADS, ...configured(folder, { steps: 1e6 }), '--out', out];
    let pids: number[] = [];
    const launched = startLaunch(folder, args, ({ type }) => {
      if (type !== 'step' || pids.length > 0) return;
      pids = trainingProcesses(out).map(({ pid }) => pid);
      launched.child.kill('SIGKILL');
    });
    await launched.result;
    assert.equal(pids.length, 1);
    while (pids.some((pid) => existsSync(`/proc/${pid}`))) {
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
    const metrics = readFileSync(path.join(out, 'metrics.jsonl'), 'utf8');
    assert.match(metrics, /"type":"end","reason":"interrupted"/);
  });
});
