// The command as a cluster runs it: under a Slurm that is started for these tests.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { golden } from '../golden/golden-losses.js';
import { losses, readMetrics, temporaryFolder } from '../support/files.js';
import { PHANTOM } from '../support/mpi.js';
import { Slurm, slurmMissing } from '../support/slurm.js';
import { configured, TRAIN } from './mpi-losses.js';

const skip = slurmMissing();
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const example = (name: string) => path.join(ROOT, 'examples', 'slurm', name);

/** The folder of the golden run, with the package installed. */
function installed(context: TestContext): string {
  const { cwd } = configured(context);
  const bin = path.join(cwd, 'node_modules', '.bin');
  mkdirSync(bin, { recursive: true });
  symlinkSync(ROOT, path.join(cwd, 'node_modules', 'phantom-parallel'));
  symlinkSync(PHANTOM, path.join(bin, 'phantom-parallel'));
  return cwd;
}

describe('the command under Slurm', { skip }, () => {
  let slurm: Slurm;
  after(async () => slurm?.stop());
  const folder = temporaryFolder({ after });
  before(async () => {
    slurm = await Slurm.start(folder);
  });

  /** Lines that the command itself writes to stderr, without those of srun. */
  const own = (stderr: string) => stderr.split('\n').filter((line) => line.includes('phantom: '));

  for (const [mpi, family] of [
    ['pmix', 'Open MPI'],
    ['pmi2', 'MPICH'],
  ] as const) {
    it(`srun --mpi=${mpi} trains the golden run on ${family}`, (context) => {
      const { cwd, out } = configured(context);
      const given = ['-n', '2', `--mpi=${mpi}`, process.execPath, PHANTOM, ...TRAIN];
      const { status, stdout, stderr } = slurm.run('srun', given, { cwd });
      assert.equal(status, 0, stderr);
      assert.match(stdout, new RegExp(`2 processes, ${family}`));
      assert.deepEqual(losses(out), golden['phantom'].slice(0, -1));
    });
  }

  it('srun --mpi=none ends in one line and exit code 2', (context) => {
    const { cwd, out } = configured(context);
    const given = ['-n', '2', '--mpi=none', process.execPath, PHANTOM, ...TRAIN];
    const { status, stdout, stderr } = slurm.run('srun', given, { cwd });
    assert.equal(status, 2, stderr);
    assert.equal(stdout, '');
    assert.equal(own(stderr).length, 1, stderr);
    assert.match(stderr, /^phantom: \[mpi\] srun started 2 tasks .*use srun --mpi=pmix/m);
    // Beside it, srun says of each task how it ended; no page of a library.
    assert.ok(stderr.trimEnd().split('\n').length <= 3, stderr);
    assert.ok(!existsSync(out));
  });

  it('the library of another --mpi ends in one line and exit code 2', (context) => {
    const { cwd } = configured(context);
    const given = ['-n', '2', '--mpi=pmix', process.execPath, PHANTOM, ...TRAIN];
    const env = { PHANTOM_MPI: 'libmpich.so.12' };
    const { status, stderr } = slurm.run('srun', given, { cwd, env });
    assert.equal(status, 2, stderr);
    assert.equal(own(stderr).length, 1, stderr);
    assert.match(stderr, /srun started 2 processes, MPICH .* sees 1: .*--mpi=pmi2 for MPICH/);
  });

  it('a shell of salloc trains on threads, and says how to use its tasks', (context) => {
    const { cwd, out } = configured(context, { ranks: 2 });
    const given = ['-n', '2', process.execPath, PHANTOM, ...TRAIN];
    const { status, stdout, stderr } = slurm.run('salloc', given, { cwd });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /2 worker threads/);
    assert.match(stderr, /warning: SLURM_NTASKS is 2, but srun did not start .*srun --mpi=pmix/);
    assert.deepEqual(losses(out), golden['phantom'].slice(0, -1));
  });

  it('a single task of srun trains on threads, without a warning', (context) => {
    const { cwd } = configured(context, { ranks: 2 });
    const given = ['-n', '1', '--mpi=pmix', process.execPath, PHANTOM, ...TRAIN];
    const { status, stdout, stderr } = slurm.run('srun', given, { cwd });
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /2 worker threads/);
  });

  it('sbatch runs the example that trains on ranks', (context) => {
    const cwd = installed(context);
    const given = ['--wait', '--output=log', example('train.sbatch'), 'config.json'];
    const { status, stdout, stderr } = slurm.run('sbatch', given, { cwd });
    const log = readFileSync(path.join(cwd, 'log'), 'utf8');
    assert.equal(status, 0, stderr + log);
    assert.match(log, /2 processes, Open MPI/);
    assert.deepEqual(losses(runOf(cwd, stdout)), golden['phantom'].slice(0, -1));
  });

  it(
    'a job that Slurm starts again goes on from its checkpoint',
    { timeout: 240_000 },
    async (context) => {
      const cwd = installed(context);
      const long = ['--steps', '1000000', '--log-every', '10', '--checkpoint-every', '50'];
      const given = ['--output=log', example('train.sbatch'), 'config.json', ...long];
      const { status, stdout, stderr } = slurm.run('sbatch', given, { cwd });
      assert.equal(status, 0, stderr);
      const job = jobOf(stdout);
      const metrics = path.join(runOf(cwd, stdout), 'metrics.jsonl');
      const text = () => (existsSync(metrics) ? readFileSync(metrics, 'utf8') : '');
      while (!/"type":"checkpoint","step":50\b/.test(text())) await sleep(100);
      assert.equal(slurm.run('scontrol', ['requeue', job]).status, 0);
      const again = () => /"type":"start"[^]*"type":"start"[^]*"type":"step"/.test(text());
      while (!again()) {
        // Slurm would wait two minutes, lest a node that is at fault takes the job again.
        slurm.run('scontrol', ['update', `JobId=${job}`, 'StartTime=now']);
        await sleep(500);
      }
      assert.equal(slurm.run('scancel', [job]).status, 0);
      // Until then it writes its last checkpoint.
      while (slurm.run('squeue', ['-h', '-j', job]).stdout.trim() !== '') await sleep(200);
      const starts = text()
        .split('\n')
        .filter((line) => line.includes('"type":"start"'))
        .map((line) => (JSON.parse(line) as { firstStep: number }).firstStep);
      assert.equal(starts[0], 0);
      assert.ok((starts[1] ?? 0) >= 50, `${starts}`);
    },
  );

  it('sbatch runs the example of a run per learning rate', (context) => {
    const cwd = installed(context);
    const given = ['--wait', '--array=0-1', example('rates.sbatch'), 'config.json'];
    const { status, stdout, stderr } = slurm.run('sbatch', given, { cwd });
    assert.equal(status, 0, stderr);
    const rates = [0, 1].map((task) => {
      const run = path.join(cwd, 'runs', `rates-${jobOf(stdout)}-${task}`);
      assert.equal(readMetrics(run).at(-1)?.['reason'], 'finished');
      const config = JSON.parse(readFileSync(path.join(run, 'config.json'), 'utf8')) as {
        settings: { lr: number };
      };
      return config.settings.lr;
    });
    assert.deepEqual(rates, [1e-4, 3e-4]);
  });
});

/** The number of a job, by what sbatch prints. */
function jobOf(stdout: string): string {
  return /Submitted batch job (\d+)/.exec(stdout)?.[1] ?? assert.fail(stdout);
}

function runOf(cwd: string, stdout: string): string {
  return path.join(cwd, 'runs', `phantom-${jobOf(stdout)}`);
}
