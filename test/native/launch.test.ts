// Runs that go on over MPI: after dead ranks, on other transports, and with a full disk.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { train } from '#src/app/train/train.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { ALL } from '../support/all.js';
import { losses, readCheckpoint, temporaryFolder } from '../support/files.js';
import { startLaunch } from '../support/launch.js';
import { findMpiruns, PHANTOM, runMpi } from '../support/mpi.js';
import { trainingProcesses } from '../support/processes.js';

const STEPS = 600;
const SETTINGS: Partial<TrainingSettings> = {
  width: 32,
  depth: 2,
  blocks: 4,
  ghosts: 3,
  engine: 'wasm',
  data: 'synthetic:teacher?widths=16,32,4&validation=16',
  batch: 16,
  steps: STEPS,
  optimizer: 'adamw',
  lr: 0.01,
  logEvery: 50,
  checkpointEvery: 50,
  keepCheckpoints: 2,
};

function endOf(run: string) {
  const folder = path.join(run, 'checkpoints', `step-${String(STEPS).padStart(8, '0')}`);
  return [readCheckpoint(folder), readCheckpoint(folder, 'optimizer'), losses(run)];
}

let expected: ReturnType<typeof endOf>;
before(async (context) => {
  const out = path.join(temporaryFolder(context as TestContext), 'whole');
  await train({ ...SETTINGS, ranks: 2, out });
  expected = endOf(out);
});

function configured(folder: string): string {
  const file = path.join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(SETTINGS));
  return file;
}

const mpiruns = findMpiruns();
const present = mpiruns.filter(({ skip }) => skip === false);
/** In place of `it`. */
function noTest(): void {}

for (const { mpirun, skip } of mpiruns) {
  describe(`launch under ${mpirun.family}`, { skip }, () => {
    const LAUNCH = ['--mpirun', mpirun.command, '--ranks', '2', '--json'];

    it('tells of a killed rank and goes on to the bits of an undisturbed run', async (context) => {
      const folder = temporaryFolder(context);
      const out = path.join(folder, 'run');
      const args = [...LAUNCH, '--', 'train', configured(folder), '--out', out];
      const killed: number[] = [];
      const { result } = startLaunch(folder, args, ({ type, step }) => {
        const due = killed.length === 0 ? type === 'start' : type === 'checkpoint';
        if (!due || killed.length === 2 || (killed.length === 1 && (step ?? 0) < 200)) return;
        const rank = 1 - killed.length;
        killed.push(rank);
        const victim = trainingProcesses(out).find((found) => found.rank === rank);
        process.kill(victim?.pid ?? 0, 'SIGKILL');
      });
      const { code, events, stderr } = await result;
      assert.equal(code, 0, stderr);
      const restarts = events.filter(({ type }) => type === 'restart');
      const causes = restarts.map(({ cause }) => cause).join('\n');
      assert.deepEqual(
        restarts.map(({ rank }) => rank),
        killed,
        causes,
      );
      assert.match(causes, /^rank 1 on \S+ was killed (by signal 9 \(Killed\)|or crashed)/);
      assert.ok((restarts[1]?.step ?? 0) >= 200);
      assert.deepEqual(endOf(out), expected);
    });

    const once = ALL || mpirun === present[0]?.mpirun ? it : noTest;
    once(
      'a disk that fills up at a checkpoint is the cause, and the last one is whole',
      async (context) => {
        const cwd = temporaryFolder(context);
        const folder = path.join(cwd, 'disk');
        mkdirSync(folder);
        const mount = ['-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', folder];
        if (process.getuid?.() !== 0 || spawnSync('mount', mount).status !== 0) {
          context.skip('a small file system cannot be mounted here');
          return;
        }
        try {
          const given = ['train', configured(cwd), '--keep-checkpoints=none', '--out=disk/run'];
          const { code, stderr } = await runMpi(mpirun, 2, PHANTOM, given, { cwd });
          assert.equal(code, 2, stderr);
          const own = stderr.split('\n').filter((line) => line.includes('phantom: '));
          assert.equal(own.length, 1, stderr);
          assert.match(own[0] ?? '', /cannot write a checkpoint .*ENOSPC.*are intact/);
          const left = readdirSync(path.join(folder, 'run', 'checkpoints'));
          assert.ok(
            left.every((name) => /^step-\d{8}$/.test(name)),
            left.join(),
          );
          const { newestWholeCheckpoint } = await import('#src/checkpoints/run-folder.js');
          const damaged: string[] = [];
          const newest = newestWholeCheckpoint(path.join(folder, 'run'), (line) =>
            damaged.push(line),
          );
          assert.deepEqual([newest?.step, damaged], [50 * (left.length - 1), []]);
        } finally {
          // A process of the job may be about to end.
          spawnSync('umount', ['--lazy', folder]);
        }
      },
    );
  });
}

describe('a checkpoint', () => {
  const skip = present.length === 0 ? 'no MPI launcher here' : false;
  it(
    'goes from threads to MPI and back, on other ranks, with the same bits',
    { skip },
    async (c) => {
      const folder = temporaryFolder(c);
      const out = path.join(folder, 'run');
      await train({ ...SETTINGS, ranks: 4, steps: 100, out });
      for (const [i, { mpirun }] of present.entries()) {
        const ranks = i === 0 ? 4 : 1;
        const given = ['train', '--resume', out, '--steps', String(200 + 100 * i)];
        const { code, stderr } = await runMpi(mpirun, ranks, PHANTOM, given, { cwd: folder });
        assert.equal(code, 0, stderr);
      }
      await train({ steps: STEPS, ranks: 2 }, { resume: out });
      assert.deepEqual(endOf(out), expected);
    },
  );
});
