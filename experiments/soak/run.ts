// Kills training processes at random moments under `phantom launch`, and compares what every run
// comes to with an undisturbed one, bit for bit:
//
//   node build/experiments/soak/run.js [--kills 100] [--seed 1] [--results <file>]
//
// Results are added to those in the file after every run, so that many kills may come from several
// shorter calls, also from ones that are stopped; `totals` adds them up.
// Linux only: processes are found by /proc.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { train } from '#src/app/train/train.js';
import { replaceFile } from '#src/base/files.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { randomStream } from '#src/tensor/random.js';
import { losses, readCheckpoint } from '../../test/support/files.js';
import { findMpiruns } from '../../test/support/mpi.js';
import { type Kill, MOMENTS, runKilled } from './launched.js';

const STEPS = 200;
const SETTINGS = {
  strategy: 'phantom',
  width: 32,
  depth: 2,
  blocks: 4,
  ghosts: 3,
  engine: 'wasm',
  data: 'synthetic:teacher?widths=16,32,4&validation=64',
  batch: 16,
  steps: STEPS,
  optimizer: 'adamw',
  lr: 0.01,
  schedule: 'cosine',
  logEvery: 1,
  checkpointEvery: 5,
  keepCheckpoints: 3,
  seed: 2,
} as const satisfies Partial<TrainingSettings>;
const RANKS = 4;
const KILLS_A_RUN = 12;

interface Transport {
  readonly name: string;
  readonly flags: readonly string[];
}

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    results: { type: 'string' },
  },
});
const wanted = Number(values.kills);
const random = randomStream(Number(values.seed), 'kills');
let draws = 0;
const uniform = () => random.uniform(draws++);
process.env['OMPI_ALLOW_RUN_AS_ROOT'] ??= '1';
process.env['OMPI_ALLOW_RUN_AS_ROOT_CONFIRM'] ??= '1';

const transports: Transport[] = [
  { name: 'threads', flags: ['--transport', 'threads'] },
  ...findMpiruns().flatMap(({ mpirun, skip }) =>
    skip === false ? [{ name: mpirun.family, flags: ['--mpirun', mpirun.command] }] : [],
  ),
];
const folder = mkdtempSync(path.join(tmpdir(), 'phantom-soak-'));
const reference = path.join(folder, 'undisturbed');
await train({ ...SETTINGS, ranks: RANKS, out: reference });

/** What a run ended with: weights, optimizer's state, every loss. */
function cameTo(run: string) {
  const checkpoint = path.join(run, 'checkpoints', `step-${String(STEPS).padStart(8, '0')}`);
  return [readCheckpoint(checkpoint), readCheckpoint(checkpoint, 'optimizer'), losses(run)];
}
const expected = cameTo(reference);

interface Row {
  readonly transport: string;
  runs: number;
  /** Runs that came to other numbers, or did not end well. */
  lost: number;
  readonly kills: Kill[];
  elapsedS: number;
}

interface Series {
  readonly seed: number;
  readonly machine: object;
  readonly rows: readonly Row[];
}
const earlier: Series[] =
  values.results !== undefined && existsSync(values.results)
    ? (JSON.parse(readFileSync(values.results, 'utf8')) as { series: Series[] }).series
    : [];

/** All kills so far, of earlier calls too. */
function writeResults(file: string): void {
  const [cpu] = cpus();
  const machine = { cpu: cpu?.model ?? '', cores: cpus().length, node: process.version };
  const series = [...earlier, { seed: Number(values.seed), machine, rows }];
  const all = series.flatMap((each) => each.rows);
  const totals = Object.fromEntries(
    transports.map(({ name }) => {
      const own = all.filter(({ transport }) => transport === name);
      const killed = own.flatMap(({ kills }) => kills);
      const named = killed.filter(({ named: rank }) => rank !== null);
      return [
        name,
        {
          kills: killed.length,
          runs: own.reduce((sum, { runs }) => sum + runs, 0),
          lost: own.reduce((sum, { lost: count }) => sum + count, 0),
          rankNamed: named.length,
          wrongRankNamed: named.filter((kill) => kill.named !== kill.rank).length,
        },
      ];
    }),
  );
  const results = { ranks: RANKS, settings: SETTINGS, totals, series };
  replaceFile(file, `${JSON.stringify(results, null, 1)}\n`);
}

const flags = Object.entries(SETTINGS).map(
  ([key, value]) => `--${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}=${value}`,
);
const rows: Row[] = [];
for (const [i, { name, flags: own }] of transports.entries()) {
  const row: Row = { transport: name, runs: 0, lost: 0, kills: [], elapsedS: 0 };
  rows.push(row);
  const share = Math.floor(wanted / transports.length);
  const target = i === 0 ? wanted - share * (transports.length - 1) : share;
  const began = performance.now();
  while (row.kills.length < target) {
    const out = path.join(folder, `${i}-${row.runs++}`);
    const planned = Math.min(KILLS_A_RUN, target - row.kills.length);
    const plan = Array.from(
      { length: planned },
      () => MOMENTS[Math.floor(uniform() * MOMENTS.length)] ?? 'training',
    );
    const launch = [...own, '--ranks', String(RANKS), '--max-restarts', '1000'];
    const run = await runKilled(launch, flags, out, plan, uniform);
    row.kills.push(...run.kills);
    const same = run.exitCode === 0 && isDeepStrictEqual(cameTo(out), expected);
    if (!same) {
      row.lost++;
      console.error(`${name}: ${out} ended with ${run.exitCode}\n${run.stderr}`);
    }
    console.log(
      `${name}: ${row.kills.length} of ${target} kills, ${row.runs} runs, ${row.lost} lost`,
    );
    row.elapsedS = (performance.now() - began) / 1000;
    if (values.results !== undefined) writeResults(values.results);
  }
}

const count = (kills: readonly Kill[], holds: (kill: Kill) => boolean) =>
  kills.filter(holds).length;
console.table(
  Object.fromEntries(
    rows.map(({ transport, runs, kills, lost, elapsedS }) => [
      transport,
      {
        runs,
        kills: kills.length,
        'in start-up': count(kills, ({ moment }) => moment === 'start-up'),
        'in training': count(kills, ({ moment }) => moment === 'training'),
        'at a checkpoint': count(kills, ({ moment }) => moment === 'checkpoint'),
        'while one was written': count(
          kills,
          ({ moment, writing }) => moment === 'checkpoint' && writing,
        ),
        // A process with all ranks has none to be named.
        'rank named': transport === 'threads' ? '–' : count(kills, (k) => k.named === k.rank),
        'runs lost': lost,
        'time, s': Math.round(elapsedS),
      },
    ]),
  ),
);
const lost = rows.reduce((sum, row) => sum + row.lost, 0);
if (lost === 0) rmSync(folder, { recursive: true });
process.exit(lost === 0 ? 0 : 1);
