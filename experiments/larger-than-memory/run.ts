// Trains on a generated table larger than `--memory`, and beside it on one that fits, by turns.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from '#src/base/median.js';
import { literal, openDatabase } from '#src/data/tables/database.js';

const HERE = fileURLToPath(new URL('../../../experiments/larger-than-memory/', import.meta.url));
const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const FEATURES = 50;
/** Some steps of a run's metrics. */
const TAIL_BYTES = 1 << 14;

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '4' },
    memory: { type: 'string', default: '512MB' },
    windows: { type: 'string', default: '20' },
    'window-s': { type: 'string', default: '3' },
    'first-step': { type: 'string', default: '6000' },
    width: { type: 'string', default: '256' },
    batch: { type: 'string', default: '256' },
    folder: { type: 'string', default: tmpdir() },
  },
});
const NETWORK =
  `--width ${values.width} --blocks 4 --ghosts 16 --batch ${values.batch} ` +
  '--ranks 1 --meter none';

/** Uniform features, and a target that depends on some of them. */
async function generate(file: string, rows: number): Promise<void> {
  const database = await openDatabase();
  const columns = Array.from({ length: FEATURES }, (_, i) => `random()::FLOAT as x${i}`);
  await database.rows(
    `copy (select *, (sin(6 * x0) + x1 * x2)::FLOAT as y from ` +
      `(select ${columns.join(', ')} from range(${rows}))) to ${literal(file)} (format parquet)`,
  );
  database.close();
}

interface Run {
  readonly child: ChildProcess;
  readonly out: string;
}

function start(folder: string, name: string, flags: readonly string[]): Run {
  const out = path.join(folder, `run-${name}`);
  const table = ['--data', path.join(folder, `${name}.parquet`), '--target', 'y'];
  const course = ['--steps', '10000000', '--log-every', '1', '--out', out];
  const words = ['train', ...table, ...NETWORK.split(' '), ...course, ...flags];
  const child = spawn(process.execPath, [MAIN, ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return { child, out };
}

/** The last step that a run has logged; 0: none yet. */
function stepOf({ child, out }: Run): number {
  if (child.exitCode !== null) throw new Error(`${out} ended with ${child.exitCode}`);
  const file = path.join(out, 'metrics.jsonl');
  if (!existsSync(file)) return 0;
  const { size } = statSync(file);
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
  const descriptor = openSync(file, 'r');
  readSync(descriptor, tail, 0, tail.length, size - tail.length);
  closeSync(descriptor);
  return Number([...tail.toString().matchAll(/"step":(\d+)/g)].at(-1)?.[1] ?? 0);
}

async function untilStep(run: Run, step: number): Promise<void> {
  while (stepOf(run) < step) await sleep(200);
}

interface Window {
  readonly stepsPerS: number;
  /** Milliseconds of a core, of all threads together. */
  readonly cpuMsPerStep: number;
}

async function window(run: Run): Promise<Window> {
  const [before, cpuBefore] = [stepOf(run), cpuMs(run)];
  run.child.kill('SIGCONT');
  await sleep(1000 * Number(values['window-s']));
  run.child.kill('SIGSTOP');
  const steps = stepOf(run) - before;
  return {
    stepsPerS: steps / Number(values['window-s']),
    cpuMsPerStep: (cpuMs(run) - cpuBefore) / steps,
  };
}

/** CPU time of a run so far; the system counts it in hundredths of a second. */
function cpuMs({ child }: Run): number {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

const folder = mkdtempSync(path.join(values.folder, 'larger-than-memory-'));
const runs: Run[] = [];
try {
  const rows = Math.ceil((Number(values.gigabytes) * 1e9) / (4 * (FEATURES + 1)));
  const began = performance.now();
  await generate(path.join(folder, 'large.parquet'), rows);
  await generate(path.join(folder, 'small.parquet'), Math.min(rows, 200_000));
  const generatedS = (performance.now() - began) / 1000;
  const cached = performance.now();
  const large = start(folder, 'large', ['--data-memory', values.memory, '--data-cache', folder]);
  runs.push(large);
  await untilStep(large, 1);
  const cachedS = (performance.now() - cached) / 1000;
  const cachedCpuS = cpuMs(large) / 1000;
  // As far ahead as the memory allows, rows are read from some thousand steps on.
  await untilStep(large, Number(values['first-step']));
  large.child.kill('SIGSTOP');
  const small = start(folder, 'small', []);
  runs.push(small);
  await untilStep(small, 500);
  small.child.kill('SIGSTOP');
  const rates: { large: Window; small: Window }[] = [];
  for (let i = 0; i < Number(values.windows); i++) {
    rates.push({ large: await window(large), small: await window(small) });
  }
  const status = readFileSync(`/proc/${large.child.pid}/status`, 'utf8');
  const peakMemoryMB = Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1000;
  const ratio = (of: (one: Window) => number) =>
    median(rates.map((each) => of(each.large) / of(each.small)));
  const result = {
    ...values,
    rows,
    tableBytes: statSync(path.join(folder, 'large.parquet')).size,
    cacheBytes: 4 * rows * (FEATURES + 1),
    network: NETWORK,
    generatedS,
    cachedS,
    cachedCpuS,
    peakMemoryMB,
    windows: rates,
    rateRatio: ratio(({ stepsPerS }) => stepsPerS),
    cpuRatio: ratio(({ cpuMsPerStep }) => cpuMsPerStep),
  };
  writeFileSync(path.join(HERE, 'results.json'), `${JSON.stringify(result, null, 1)}\n`);
  console.log(JSON.stringify(result));
} finally {
  for (const { child } of runs) {
    const ended = once(child, 'exit');
    if (child.exitCode === null && child.kill('SIGKILL')) await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}
