import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { golden } from '../golden/golden-losses.js';
import { readMetrics } from '../support/files.js';
import { ALL } from '../support/all.js';
import { findMpiruns, type Mpirun, PHANTOM, runMpi, startMpi } from '../support/mpi.js';
import { both, configured, goldenUnder, TRAIN } from './mpi-losses.js';

/** In place of `it`. */
function noTest(): void {}

const LONG = { steps: 100_000, logEvery: 10, validateEvery: 100_000 };

/** Lines that the command itself writes to stderr, without the launcher's. */
function own(stderr: string): string[] {
  return stderr.split('\n').filter((line) => line.includes('phantom: '));
}

for (const { mpirun, skip } of findMpiruns()) {
  describe(`the command under ${mpirun.family}`, { skip }, () => {
    const isOpen = mpirun.family === 'Open MPI';
    /** What no library has a part in is tried under one of them, with --all under both. */
    const under = (family: Mpirun['family']) => (ALL || mpirun.family === family ? it : noTest);
    // mpi-losses.slow.test.ts has the others.
    goldenUnder(mpirun, [[isOpen ? 'phantom' : 'tensor-paired', [2]]]);

    under('Open MPI')('2 × 2 replicas: the bits of threads', async (context) => {
      const { mpi, threads } = await both(mpirun, context, { replicas: 2, ranks: 2, batch: 16 });
      assert.deepEqual(mpi, threads);
    });

    under('MPICH')(
      'products in pieces, with progress between them: the bits of threads',
      async (context) => {
        const large = { width: 1024, blocks: 2, ranks: 2, ghosts: 32, batch: 256 } as const;
        const { mpi, threads } = await both(mpirun, context, {
          ...large,
          engine: 'auto',
          steps: 4,
        });
        assert.deepEqual(mpi, threads);
      },
    );

    under('MPICH')('a run folder of its own name is one, and is evaluated', async (context) => {
      const { cwd } = configured(context);
      const trained = await runMpi(mpirun, 2, PHANTOM, ['train', 'config.json'], { cwd });
      assert.equal(trained.code, 0, trained.stderr);
      const [run, ...others] = readdirSync(path.join(cwd, 'runs'));
      assert.ok(run !== undefined && others.length === 0);
      const given = ['eval', `runs/${run}`, '--engine', 'wasm', '--json'];
      const evaluating = ALL ? 4 : 2;
      const { code, stdout } = await runMpi(mpirun, evaluating, PHANTOM, given, { cwd });
      assert.equal(code, 0);
      const { loss, ranks } = JSON.parse(stdout) as { loss: number; ranks: number };
      assert.deepEqual({ loss, ranks }, { loss: golden['phantom']?.at(-1), ranks: evaluating });
    });

    const refusals: [
      string,
      number,
      string[],
      RegExp,
      Mpirun['family'],
      Record<string, string>?,
    ][] = [
      ['ranks that do not divide the blocks', 3, [], /3 ranks cannot host 8 blocks/, 'MPICH'],
      [
        'ranks that are not the processes',
        2,
        ['--ranks', '4'],
        /ranks 4.* started 2 processes/,
        'Open MPI',
      ],
      ['data that is not there', 2, ['--data', 'no.csv'], /no\.csv: no such file/, 'Open MPI'],
      [
        "another launcher's library",
        2,
        [],
        /started 2 processes.* sees 1: the library is not the launcher's/,
        mpirun.family,
        { PHANTOM_MPI: mpirun.family === 'MPICH' ? 'libmpi.so.40' : 'libmpich.so.12' },
      ],
    ];
    for (const [what, ranks, flags, pattern, family, env] of refusals) {
      under(family)(`${what}: one line and exit code 2`, async (context) => {
        const twoLibraries = findMpiruns().every((launcher) => launcher.skip === false);
        if (env !== undefined && !twoLibraries) return context.skip('needs both libraries');
        const { cwd, out } = configured(context);
        const given = [...TRAIN, ...flags];
        const result = await runMpi(mpirun, ranks, PHANTOM, given, { cwd, env: env ?? {} });
        assert.equal(result.code, 2, result.stderr);
        assert.equal(own(result.stderr).length, 1, result.stderr);
        assert.match(result.stderr, pattern);
        assert.equal(result.stdout, '');
        assert.ok(!existsSync(out));
      });
    }

    under('MPICH')(
      'a loss that is not finite ends the job with the cause, once',
      async (context) => {
        const { cwd } = configured(context, { optimizer: 'sgd', lr: 1e30 });
        const { code, stderr } = await runMpi(mpirun, ALL ? 4 : 2, PHANTOM, TRAIN, { cwd });
        assert.equal(code, 2);
        assert.equal(own(stderr).length, 1, stderr);
        assert.match(stderr, /loss of step 2 is NaN/);
      },
    );

    it('SIGTERM to the processes: a checkpoint, from which other ranks go on', async (context) => {
      const { cwd, out } = configured(context, LONG);
      const job = startMpi(mpirun, 2, PHANTOM, TRAIN, { cwd });
      await firstSteps(job, out);
      for (const pid of processes(cwd)) process.kill(pid, 'SIGTERM');
      const { stdout, stderr } = await job.result;
      assert.match(stdout, /Interrupted after \d+ steps/, stderr);
      assert.match(stdout, /To go on:\n  mpirun -n 2 node \S+main\.js train --resume run/);
      const step = Number(/Interrupted after (\d+)/.exec(stdout)?.[1]);
      const more = ['train', '--resume', 'run', '--steps', String(step + 5)];
      const resumed = await runMpi(mpirun, ALL ? 4 : 1, PHANTOM, more, { cwd });
      assert.equal(resumed.code, 0, resumed.stderr);
      assert.equal(readMetrics(out).at(-1)?.['step'], step + 5);
    });

    it('kill -9 of a rank ends the job, with the rank', async (context) => {
      const { cwd, out } = configured(context, LONG);
      const job = startMpi(mpirun, isOpen && !ALL ? 2 : 4, PHANTOM, TRAIN, { cwd });
      await firstSteps(job, out);
      const pids = processes(cwd);
      const began = performance.now();
      const victim = pids[1] ?? 0;
      const rank = rankOf(victim);
      process.kill(victim, 'SIGKILL');
      const { code, stdout, stderr } = await job.result;
      assert.notEqual(code, 0);
      const left = () => pids.filter((pid) => existsSync(`/proc/${pid}`));
      while (left().length > 0 && performance.now() - began < 30_000) await sleep(50);
      // Collectives would wait for 60 s.
      assert.ok(performance.now() - began < 30_000, `the job went on; left are ${left().join()}`);
      const start = readMetrics(out).find(({ type }) => type === 'start');
      const places = start?.['processes'] as { pid: number }[];
      assert.equal(places[rank]?.pid, victim);
      const named =
        mpirun.family === 'MPICH' ? `rank ${rank} ended without` : `process rank ${rank} `;
      const said = stdout + stderr;
      assert.ok(said.includes(named), said);
    });

    under('MPICH')('a rank that hangs is named by the others', async (context) => {
      const { cwd, out } = configured(context, { ...LONG, timeout: 5 });
      const job = startMpi(mpirun, 2, PHANTOM, TRAIN, { cwd });
      await firstSteps(job, out);
      const stopped = processes(cwd).find((pid) => rankOf(pid) === 1) ?? 0;
      process.kill(stopped, 'SIGSTOP');
      const { code, stderr } = await job.result;
      assert.notEqual(code, 0);
      assert.equal(own(stderr).length, 1, stderr);
      assert.match(stderr, /waited \d+\.\d s for rank 1 \(of 2\)/);
    });
  });
}

const present = findMpiruns().filter(({ skip }) => skip === false);
it(
  'the doctor names library, version, thread level and launcher',
  { skip: present.length === 0 ? 'no MPI launcher here' : false },
  () => {
    const { stdout } = spawnSync(process.execPath, [PHANTOM, 'doctor', '--json'], {
      encoding: 'utf8',
    });
    const { communicators } = JSON.parse(stdout) as {
      communicators: { name: string; detail: string }[];
    };
    const details = communicators.filter(({ name }) => name === 'MPI').map((one) => one.detail);
    for (const { mpirun } of present) {
      const detail = details.find((one) => one.startsWith(mpirun.family)) ?? '';
      assert.match(detail, / v?\d+\.\d+.* \(.*, MPI_THREAD_\w+\); mpirun\S* -n 2/);
    }
  },
);

async function firstSteps(job: ReturnType<typeof startMpi>, out: string): Promise<void> {
  const ended = await Promise.race([
    job.result,
    (async () => {
      const file = path.join(out, 'metrics.jsonl');
      // The last line may be incomplete.
      while (!existsSync(file) || !/("type":"step"[^]*){2}/.test(readFileSync(file, 'utf8'))) {
        await sleep(50);
      }
      return null;
    })(),
  ]);
  assert.equal(ended, null, `the job ended before its first steps: ${ended?.stderr}`);
}

/** The commands that run in a folder, by process. */
function processes(cwd: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0)
    .filter((pid) => {
      try {
        const text = readFileSync(`/proc/${pid}/environ`, 'latin1');
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return command.startsWith(process.execPath) && text.includes(`\0PWD=${cwd}\0`);
      } catch {
        return false;
      }
    });
}

function rankOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/environ`, 'latin1');
  return Number(/(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)/.exec(text)?.[1]);
}
