// Budgets of the command: time to the help text and to the first step, memory over many steps.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { median } from '#src/base/median.js';
import { parseArgs } from 'node:util';

const HELP = `npm run bench -- startup [--json] [--runs 5] [--ranks 2,64] [--engine auto] [--steps 10000]

Medians of the wall-clock time of "phantom --help" and from the start of "phantom train" to its
first step (width 64, or two columns per rank where there are more), and the resident memory of a run
on 2 ranks at its start and end (--steps 0: without).`;

const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Runs the command; resolves with its duration when it ends. */
async function run(args: readonly string[], onLine: (line: string, pid: number) => void) {
  const began = performance.now();
  const child = spawn(process.execPath, [COMMAND, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface(child.stdout).on('line', (line) => onLine(line, child.pid ?? 0));
  await new Promise<void>((resolve, reject) => {
    child.on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`phantom ${args.join(' ')} ended with ${code}`)),
    );
  });
  return performance.now() - began;
}

async function training(
  { ranks, engine }: { ranks: number; engine: string },
  steps: number,
  onEvent: (type: string, step: number, pid: number) => void,
) {
  const folder = mkdtempSync(path.join(tmpdir(), 'phantom-bench-'));
  const blocks = Math.max(2, ranks);
  const width = Math.max(64, 2 * blocks);
  const network = ['--width', `${width}`, '--blocks', `${blocks}`, '--ghosts', '1'];
  const size = [...network, '--ranks', `${ranks}`, '--batch', '32', '--engine', engine];
  const args = ['train', '--json', ...size, '--steps', `${steps}`, '--log-every', '100'];
  const every = steps < 100 ? ['--log-every', '1'] : [];
  await run([...args, ...every, '--out', path.join(folder, 'run')], (line, pid) => {
    const event = JSON.parse(line) as { type: string; step?: number };
    onEvent(event.type, event.step ?? 0, pid);
  });
  rmSync(folder, { recursive: true });
}

/** From the start of the command to the record of its first step. */
async function firstStepMs(ranks: number, engine: string): Promise<number> {
  const began = performance.now();
  let first = Number.NaN;
  await training({ ranks, engine }, 1, (type) => {
    if (type === 'step' && Number.isNaN(first)) first = performance.now() - began;
  });
  return first;
}

/** Resident memory of a process now, in bytes; Linux only. */
function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

export async function startupBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      runs: { type: 'string', default: '5' },
      ranks: { type: 'string', default: '2' },
      engine: { type: 'string', default: 'auto' },
      steps: { type: 'string', default: '10000' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const helpMs: number[] = [];
  const { engine } = values;
  const counts = values.ranks.split(',').map(Number);
  const times = counts.map((): number[] => []);
  for (let i = 0; i < Number(values.runs); i++) {
    helpMs.push(await run(['--help'], () => {}));
    for (const [c, ranks] of counts.entries()) times[c]?.push(await firstStepMs(ranks, engine));
  }
  const memory: { step: number; residentBytes: number }[] = [];
  if (process.platform === 'linux' && Number(values.steps) > 0) {
    await training({ ranks: 2, engine }, Number(values.steps), (type, step, pid) => {
      const due = step % (Number(values.steps) / 10) === 0;
      if (type === 'step' && due) memory.push({ step, residentBytes: residentBytes(pid) });
    });
  }
  const report = {
    helpMs: median(helpMs) ?? Number.NaN,
    firstSteps: counts.map((ranks, c) => ({ ranks, ms: median(times[c] ?? []) ?? Number.NaN })),
    memory,
  };
  if (values.json) {
    console.log(JSON.stringify(report));
    return;
  }
  console.log(`phantom --help                ${report.helpMs.toFixed(0)} ms`);
  for (const { ranks, ms } of report.firstSteps) {
    console.log(`phantom train to first step   ${ms.toFixed(0)} ms on ${ranks} ranks`);
  }
  for (const { step, residentBytes: bytes } of memory) {
    console.log(
      `resident memory, step ${String(step).padStart(6)}  ${(bytes / 1e6).toFixed(1)} MB`,
    );
  }
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await startupBench(process.argv.slice(2));
}
