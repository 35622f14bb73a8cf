// Pages of runs: their weight, how soon they show and follow, and what watching costs a training run.
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { RunWatcher } from '#src/app/watch/run-watcher.js';
import { startWatch } from '#src/app/watch/watch-server.js';
import { median } from '#src/base/median.js';
import { findBrowser, launchBrowser } from '../test/support/browser.js';
import { type Held, howFluid } from './pages-fluid.js';
import { writeRunFolder } from '../test/support/run-folder.js';

const HELP = `npm run bench -- pages [--json] [--runs 50] [--points 10000] [--seconds 60]

The weight of the page, gzipped, without data; for so many runs of so many logged steps the time until
a live page shows its first figure, and from a line in a run's metrics until the page has it, in
Chromium; the longest that the page is busy at a time while news come and while it is used; what a look of the watcher costs; and the CPU time of "phantom watch" beside that of a
training run that it follows for so many seconds, on Linux.`;

const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const PAGES = ['report/page.html', 'serving/server/page.html'] as const;
const UPDATES = 9;

function writeRuns(root: string, runs: number, points: number): string[] {
  return Array.from({ length: runs }, (_, run) =>
    writeRunFolder(path.join(root, `run-${run}`), {
      settings: { ghosts: 1 + (run % 8), lr: 0.001 * (1 + (run % 5)), seed: run },
      lines: ([start = '', step = '']) => {
        const event = JSON.parse(step) as object;
        const steps = Array.from({ length: points }, (_unused, i) => {
          const loss = (1 + (run % 7)) / (10 + i) + 0.01 * Math.sin(i * (1 + run));
          return JSON.stringify({ ...event, step: i + 1, loss: 0.1 + loss, elapsedS: i / 100 });
        });
        return [start.replace('"pid":1', `"pid":${process.pid}`), ...steps, ''];
      },
    }),
  );
}

/** Wall-clock time, and CPU time of the page's main thread. */
interface Took {
  readonly wallMs: number;
  readonly cpuMs: number;
}

async function inBrowser(root: string, folders: readonly string[], points: number) {
  const found = findBrowser();
  if (found.path === '') return null;
  const options = { folders: [root], host: '127.0.0.1', port: 0, hosts: [], everyMs: 100 };
  const watch = await startWatch({ ...options, token: null });
  const browser = await launchBrowser(found.path);
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(300_000);
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const took = async (work: () => Promise<unknown>): Promise<Took> => {
      const cpu = async () => {
        const { metrics } = await session.send('Performance.getMetrics');
        return 1000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN);
      };
      const [cpuMs, began] = [await cpu(), performance.now()];
      await work();
      const wallMs = performance.now() - began;
      return { wallMs, cpuMs: (await cpu()) - cpuMs };
    };
    const first = await took(async () => {
      await page.goto(watch.url);
      await page.locator('figure svg').first().waitFor();
    });
    await page.getByText(`${folders.length} of ${folders.length}`).waitFor();
    const file = path.join(folders[0] ?? '', 'metrics.jsonl');
    const last = readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '';
    const updates: Took[] = [];
    for (let i = 1; i <= UPDATES; i++) {
      const step = points + i;
      const line = last.replace(/"step":\d+/, `"step":${step}`);
      const cell = page.getByRole('cell', { name: step.toLocaleString('en-US') }).first();
      const update = await took(async () => {
        appendFileSync(file, `${line}\n`);
        await cell.waitFor();
        await page.evaluate('new Promise((done) => requestAnimationFrame(() => done()))');
      });
      updates.push(update);
    }
    const middle = (of: keyof Took) => median(updates.map((update) => update[of])) ?? Number.NaN;
    const update = { wallMs: middle('wallMs'), cpuMs: middle('cpuMs') };
    return { first, update, held: await howFluid(page, session, folders) };
  } finally {
    await browser.close();
    await watch.close();
  }
}

/** What a look costs where one of the runs has a new line. */
function lookMs(root: string, folders: readonly string[]): number {
  const watcher = new RunWatcher([root]);
  while (watcher.look().length > 0);
  const file = path.join(folders[1] ?? '', 'metrics.jsonl');
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const step = JSON.parse(lines.at(-1) ?? '') as { step: number; elapsedS: number };
  const times = Array.from({ length: UPDATES }, (_, i) => {
    const next = { ...step, step: step.step + i + 1, elapsedS: step.elapsedS + i + 1 };
    appendFileSync(file, `${JSON.stringify(next)}\n`);
    const began = process.cpuUsage();
    watcher.look();
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1000;
  });
  return median(times) ?? Number.NaN;
}

function heldText({ what, longestTaskMs, longestFrameMs, cpuMs }: Held): string {
  const [task, all, frame] = [longestTaskMs, cpuMs, longestFrameMs].map((ms) => ms.toFixed(0));
  const times = `${task} ms, ${all} ms, ${frame} ms`;
  return `${what.padEnd(26)} ${times}`;
}

/** User and system time of a process, with its threads. */
function cpuS({ pid = 0 }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const wait = (seconds: number) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** @returns CPU time while a page is open, after both have started */
async function besideTraining(root: string, seconds: number) {
  if (process.platform !== 'linux') return null;
  const phantom = (...args: string[]) =>
    spawn(process.execPath, [COMMAND, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const run = path.join(root, 'live');
  const training = phantom('train', '--json', '--steps', '1000000000', '--out', run);
  training.stdout.resume();
  const watching = phantom('watch', root, '--port', '0');
  try {
    const url = await new Promise<string>((resolve) => {
      createInterface(watching.stdout).on('line', (line) =>
        resolve(/http\S+/.exec(line)?.[0] ?? ''),
      );
    });
    while (!existsSync(path.join(run, 'metrics.jsonl'))) await wait(0.1);
    const controller = new AbortController();
    const { body } = await fetch(`${url}/events`, { signal: controller.signal });
    void body?.pipeTo(new WritableStream()).catch(() => {});
    await wait(5);
    const before = [cpuS(training), cpuS(watching)];
    await wait(seconds);
    const [trainingS = 0, watchingS = 0] = [training, watching].map(
      (process, i) => cpuS(process) - (before[i] ?? 0),
    );
    controller.abort();
    return { trainingS, watchingS, share: watchingS / trainingS };
  } finally {
    const ended = [training, watching].map(
      (child) => new Promise((done) => child.on('exit', done)),
    );
    training.kill('SIGKILL');
    watching.kill('SIGTERM');
    await Promise.all(ended);
  }
}

export async function pagesBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      runs: { type: 'string', default: '50' },
      points: { type: 'string', default: '10000' },
      seconds: { type: 'string', default: '60' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const [runs, points] = [Number(values.runs), Number(values.points)];
  const weights = PAGES.map((name) => {
    const file = fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
    return { name, bytes: statSync(file).size, gzippedBytes: gzipSync(readFileSync(file)).length };
  });
  const root = mkdtempSync(path.join(tmpdir(), 'phantom-bench-'));
  try {
    const folders = writeRuns(path.join(root, 'many'), runs, points);
    const shown = await inBrowser(path.join(root, 'many'), folders, points);
    const look = lookMs(path.join(root, 'many'), folders);
    const beside = await besideTraining(path.join(root, 'one'), Number(values.seconds));
    const report = { runs, points, weights, shown, lookCpuMs: look, beside };
    if (values.json) {
      console.log(JSON.stringify(report));
      return;
    }
    for (const { name, gzippedBytes } of weights) {
      console.log(`${name}: ${(gzippedBytes / 1000).toFixed(1)} kB gzipped, without data`);
    }
    const text = ({ wallMs, cpuMs }: Took) =>
      `${wallMs.toFixed(0)} ms, ${cpuMs.toFixed(0)} ms of CPU time in the page`;
    console.log(`${runs} runs of ${points} logged steps, live`);
    if (shown === null) console.log('  no Chromium is installed');
    else {
      console.log(`  first figure        ${text(shown.first)}`);
      console.log(`  a new line is shown ${text(shown.update)} (medians)`);
      console.log('  CPU time of the longest task and of all; longest time between frames:');
      for (const held of shown.held) console.log(`    ${heldText(held)}`);
    }
    console.log(`  a look, one is new  ${look.toFixed(1)} ms of CPU time`);
    if (beside !== null) {
      const { trainingS, watchingS, share } = beside;
      const cpu = `${watchingS.toFixed(2)} s of CPU time beside ${trainingS.toFixed(1)} s`;
      console.log(`watching a run: ${cpu}, ${(100 * share).toFixed(2)}%`);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
