// Budgets of the command: time to the help text and to the first step, memory over many steps.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { median } from '#src/base/median.js';
import { parseArgs } from 'node:util';

const HELP = `npm run bench -- startup [--json] [--runs 5] [--steps 10000]

Medians of the wall-clock time of "phantom --help" and from the start of "phantom train" to its
first step (width 64, 2 ranks), and the resident memory of a run of that size at its start and end.`;

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

async function training(steps: number, onEvent: (type: string, step: number, pid: number) => void) {
  const folder = mkdtempSync(path.join(tmpdir(), 'phantom-bench-'));
  const size = ['--width', '64', '--blocks', '2', '--ranks', '2', '--batch', '32'];
  const args = ['train', '--json', ...size, '--steps', `${steps}`, '--log-every', '100'];
  const every = steps < 100 ? ['--log-every', '1'] : [];
  await run([...args, ...every, '--out', path.join(folder, 'run')], (line, pid) => {
    const event = JSON.parse(line) as { type: string; step?: number };
    onEvent(event.type, event.step ?? 0, pid);
  });
  rmSync(folder, { recursive: true });
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
      steps: { type: 'string', default: '10000' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const helpMs: number[] = [];
  const firstStepMs: number[] = [];
  for (let i = 0; i < Number(values.runs); i++) {
    helpMs.push(await run(['--help'], () => {}));
    const began = performance.now();
    let first: number | null = null;
    await training(1, (type) => {
      if (type === 'step') first ??= performance.now() - began;
    });
    firstStepMs.push(first ?? Number.NaN);
  }
  const memory: { step: number; residentBytes: number }[] = [];
  if (process.platform === 'linux') {
    await training(Number(values.steps), (type, step, pid) => {
      const due = step % (Number(values.steps) / 10) === 0;
      if (type === 'step' && due) memory.push({ step, residentBytes: residentBytes(pid) });
    });
  }
  const report = {
    helpMs: median(helpMs) ?? Number.NaN,
    firstStepMs: median(firstStepMs) ?? Number.NaN,
    memory,
  };
  if (values.json) {
    console.log(JSON.stringify(report));
    return;
  }
  console.log(`phantom --help                ${report.helpMs.toFixed(0)} ms`);
  console.log(`phantom train to first step   ${report.firstStepMs.toFixed(0)} ms`);
  for (const { step, residentBytes: bytes } of memory) {
    console.log(
      `resident memory, step ${String(step).padStart(6)}  ${(bytes / 1e6).toFixed(1)} MB`,
    );
  }
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await startupBench(process.argv.slice(2));
}
