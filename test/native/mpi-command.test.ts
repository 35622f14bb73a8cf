import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { train } from '#src/app/train/train.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { GOLDEN_SETTINGS } from '../golden/settings.js';
import { losses, readMetrics, temporaryFolder } from '../support/files.js';
import { findMpiruns, PHANTOM, runMpi, startMpi } from '../support/mpi.js';

const FILE = new URL('../../../test/golden/losses.json', import.meta.url);
const golden = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, number[]>;

/** A folder with a config file of the golden run. */
function configured(context: TestContext, changes: object = {}) {
  const cwd = temporaryFolder(context);
  const settings = { ...GOLDEN_SETTINGS, engine: 'wasm', ...changes };
  writeFileSync(path.join(cwd, 'config.json'), JSON.stringify(settings));
  return { cwd, out: path.join(cwd, 'run') };
}

const TRAIN = ['train', 'config.json', '--out', 'run'];
const LONG = { steps: 100_000, logEvery: 10, validateEvery: 100_000 };

/** Lines that the command itself writes to stderr, without the launcher's. */
function own(stderr: string): string[] {
  return stderr.split('\n').filter((line) => line.includes('phantom: '));
}

for (const { mpirun, skip } of findMpiruns()) {
  describe(`the command under ${mpirun.family}`, { skip }, () => {
    // The one's numbers of ranks are the other family's for the other strategy and precision.
    const isOpen = mpirun.family === 'Open MPI';
    const runs: [string, Partial<TrainingSettings>, readonly number[]][] = [
      ['phantom', { strategy: 'phantom' }, [1, 2, 4, 8]],
      ['tensor', { strategy: 'tensor' }, isOpen ? [2, 8] : [4]],
      ['tensor-paired', { strategy: 'tensor-paired' }, isOpen ? [4] : [2, 8]],
      ['phantom in bfloat16', { ghostPrecision: 'bfloat16' }, isOpen ? [2] : [8]],
      ['phantom in int8', { ghostPrecision: 'int8' }, isOpen ? [8] : [2]],
    ];
    for (const [variant, settings, ranks] of runs.flatMap(([name, changes, counts]) =>
      counts.map((count) => [name, changes, count] as const),
    )) {
      it(`${variant} on ${ranks} ranks: the golden bits, told once`, async (context) => {
        const { cwd, out } = configured(context, settings);
        const { code, stdout, stderr } = await runMpi(mpirun, ranks, PHANTOM, TRAIN, { cwd });
        assert.equal(code, 0, stderr);
        const end = readMetrics(out).at(-1);
        assert.deepEqual([...losses(out), end?.['validationLoss']], golden[variant]);
        assert.equal(stdout.match(/Finished after 20 steps/g)?.length, 1);
        assert.match(stdout, new RegExp(`machine +${ranks} process(es)?, ${mpirun.family}`));
      });
    }

    /** The losses of a run on this MPI, and of the same one on threads. */
    const both = async (context: TestContext, changes: Partial<TrainingSettings>) => {
      const { cwd, out } = configured(context, changes);
      const size = (changes.replicas ?? 1) * (changes.ranks ?? 1);
      const { code, stderr } = await runMpi(mpirun, size, PHANTOM, TRAIN, { cwd });
      assert.equal(code, 0, stderr);
      const threads = path.join(cwd, 'threads');
      await train({ ...GOLDEN_SETTINGS, engine: 'wasm', ...changes, out: threads });
      return { mpi: losses(out), threads: losses(threads) };
    };

    it('1 × 4 = 2 × 2 = 4 × 1 replicas over 50 steps, each with the bits of threads', async (t) => {
      const sgd = { optimizer: 'sgd', lr: 0.01, steps: 50, validateEvery: 50 } as const;
      const expected = (await both(t, { ...sgd, ranks: 4 })).mpi;
      for (const [replicas, ranks] of [
        [2, 2],
        [4, 1],
      ] as const) {
        const { mpi, threads } = await both(t, { ...sgd, replicas, ranks, batch: 32 / replicas });
        assert.deepEqual(mpi, threads);
        for (const [step, loss] of mpi.entries()) {
          // Sums over the batch in another order: float32 rounding, grown over the steps.
          assert.ok(Math.abs(loss - expected[step]) < 1e-6 * expected[step], `${step}: ${loss}`);
        }
      }
    });

    it('products in pieces, with progress between them: the bits of threads', async (context) => {
      const large = { width: 1024, blocks: 2, ranks: 2, ghosts: 32, batch: 256 } as const;
      const { mpi, threads } = await both(context, { ...large, engine: 'auto', steps: 4 });
      assert.deepEqual(mpi, threads);
    });

    it('a run folder of its own name is one, and is evaluated', async (context) => {
      const { cwd } = configured(context);
      const trained = await runMpi(mpirun, 2, PHANTOM, ['train', 'config.json'], { cwd });
      assert.equal(trained.code, 0, trained.stderr);
      const [run, ...others] = readdirSync(path.join(cwd, 'runs'));
      assert.ok(run !== undefined && others.length === 0);
      const given = ['eval', `runs/${run}`, '--engine', 'wasm', '--json'];
      const { code, stdout } = await runMpi(mpirun, 4, PHANTOM, given, { cwd });
      assert.equal(code, 0);
      const { loss, ranks } = JSON.parse(stdout) as { loss: number; ranks: number };
      assert.deepEqual({ loss, ranks }, { loss: golden['phantom']?.at(-1), ranks: 4 });
    });

    it('the doctor tells library, version, thread level and launcher', async () => {
      const { stdout } = spawnSync(process.execPath, [PHANTOM, 'doctor', '--json'], {
        encoding: 'utf8',
      });
      const { communicators } = JSON.parse(stdout) as {
        communicators: { name: string; detail: string }[];
      };
      const details = communicators.filter(({ name }) => name === 'MPI').map((one) => one.detail);
      const detail = details.find((one) => one.startsWith(mpirun.family)) ?? '';
      assert.match(detail, / v?\d+\.\d+.* \(.*\); threads: MPI_THREAD_\w+ .*; mpirun\S* -n 2/);
    });

    const refusals: [string, number, string[], RegExp, Record<string, string>?][] = [
      ['ranks that do not divide the blocks', 3, [], /3 ranks cannot host 8 blocks/],
      ['ranks that are not the processes', 2, ['--ranks', '4'], /ranks 4.* started 2 processes/],
      ['data that is not there', 2, ['--data', 'no.csv'], /no\.csv: no such file/],
      [
        "another launcher's library",
        2,
        [],
        /started 2 processes.* sees 1: the library is not the launcher's/,
        { PHANTOM_MPI: mpirun.family === 'MPICH' ? 'libmpi.so.40' : 'libmpich.so.12' },
      ],
    ];
    for (const [what, ranks, flags, pattern, env] of refusals) {
      it(`${what}: one line and exit code 2`, async (context) => {
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

    it('a loss that is not finite ends the job with the cause, once', async (context) => {
      const { cwd } = configured(context, { optimizer: 'sgd', lr: 1e30 });
      const { code, stderr } = await runMpi(mpirun, 4, PHANTOM, TRAIN, { cwd });
      assert.equal(code, 2);
      assert.equal(own(stderr).length, 1, stderr);
      assert.match(stderr, /loss of step 2 is NaN/);
    });

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
      const resumed = await runMpi(mpirun, 4, PHANTOM, more, { cwd });
      assert.equal(resumed.code, 0, resumed.stderr);
      assert.equal(readMetrics(out).at(-1)?.['step'], step + 5);
    });

    it('kill -9 of a rank ends the job, with the rank', async (context) => {
      const { cwd, out } = configured(context, LONG);
      const job = startMpi(mpirun, 4, PHANTOM, TRAIN, { cwd });
      await firstSteps(job, out);
      const pids = processes(cwd);
      const began = performance.now();
      const victim = pids[2] ?? 0;
      const rank = rankOf(victim);
      process.kill(victim, 'SIGKILL');
      const { code, stdout, stderr } = await job.result;
      assert.notEqual(code, 0);
      const left = () => pids.filter((pid) => existsSync(`/proc/${pid}`));
      while (left().length > 0 && performance.now() - began < 5000) await sleep(50);
      assert.ok(performance.now() - began < 5000, `the job went on; left are ${left().join()}`);
      const start = readMetrics(out).find(({ type }) => type === 'start');
      const places = start?.['processes'] as { pid: number }[];
      assert.equal(places[rank]?.pid, victim);
      const named =
        mpirun.family === 'MPICH' ? `rank ${rank} ended without` : `process rank ${rank} `;
      const said = stdout + stderr;
      assert.ok(said.includes(named), said);
    });

    it('a rank that hangs is named by the others', async (context) => {
      const { cwd, out } = configured(context, { ...LONG, timeout: 5 });
      const job = startMpi(mpirun, 4, PHANTOM, TRAIN, { cwd });
      await firstSteps(job, out);
      const stopped = processes(cwd).find((pid) => rankOf(pid) === 3) ?? 0;
      process.kill(stopped, 'SIGSTOP');
      const { code, stderr } = await job.result;
      assert.notEqual(code, 0);
      assert.equal(own(stderr).length, 1, stderr);
      assert.match(stderr, /waited 5\.\d s for rank 3 \(of 4\)/);
    });
  });
}

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
