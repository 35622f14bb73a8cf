// What a user sees of energy: phantom energy, and a run's joules by a counter.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { after, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EndEvent, StepEvent } from 'phantom-parallel/training';
import { ALL } from '../support/all.js';
import { CommandLine } from '../support/command-line.js';
import { readMetrics, temporaryFolder } from '../support/files.js';
import { PHANTOM } from '../support/mpi.js';

const HIDDEN = { PHANTOM_NVML: 'none', PHANTOM_ROCM_SMI: 'none' };

function phantom(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return spawnSync(process.execPath, [PHANTOM, ...args], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, PHANTOM_SYSFS: '/nowhere', ...HIDDEN, ...env },
  });
}

const jsonOf = (text: string) => JSON.parse(text) as Record<string, unknown>;
const BUSY = 'const t = performance.now(); while (performance.now() - t < 300);';

describe('phantom energy', { skip: process.platform !== 'linux' && 'reads /proc' }, () => {
  test("passes on the command's output and exit code, and tells on stderr", () => {
    const { status, stdout, stderr } = phantom(['energy', '--', 'sh', '-c', 'echo out; exit 3']);
    assert.deepEqual([status, stdout], [3, 'out\n']);
    assert.match(stderr, /^energy +[\d.]+ m?J modelled = .*Wh, .*W over .*s$/m);
    assert.match(stderr, /^emissions .*g CO₂e at 473 g\/kWh, PUE 1\.56$/m);
    assert.match(stderr, /^meter +modelled from the CPU time of \d+ cores?: 3\.5 W per busy core/m);
  });

  test('models a program by its CPU time and that of what it starts', () => {
    const work = `require('child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(BUSY)}])`;
    const args = ['energy', '--json', '--', process.execPath, '-e', work];
    const { status, stdout } = phantom(args);
    assert.equal(status, 0);
    const { energyJ, elapsedS, obtained, meter, parts } = jsonOf(stdout) as {
      energyJ: number;
      elapsedS: number;
    } & Record<string, unknown>;
    assert.deepEqual([obtained, meter], ['modelled', 'modelled']);
    assert.deepEqual(parts, [{ name: 'modelled', energyJ }]);
    // Every core waits, and one has been busy for at least 0.3 s, less what ticks round off.
    const idleJ = elapsedS * 0.74 * availableParallelism();
    assert.ok(energyJ > idleJ + 0.25 * (3.5 - 0.74), `${energyJ} J in ${elapsedS} s`);
  });

  test('--json keeps stdout clean, a series comes first', () => {
    const args = ['energy', '--json', '--interval', '0.05', '--carbon-intensity', '100'];
    const { stdout, stderr } = phantom([...args, '--', 'sh', '-c', 'echo out; sleep 0.3']);
    const events = stdout.trimEnd().split('\n').map(jsonOf);
    assert.equal(stderr, 'out\n');
    assert.ok(events.length > 2);
    assert.deepEqual(new Set(events.slice(0, -1).map(({ type }) => type)), new Set(['power']));
    const end = events.at(-1);
    assert.deepEqual(
      [end?.['type'], end?.['exitCode'], end?.['carbonIntensityGPerKWh'], end?.['problem']],
      ['energy', 0, 100, null],
    );
  });

  test('the flags of the command are its own', () => {
    const { stdout, status } = phantom(['energy', 'echo', '--json', '--', '--meter', 'x']);
    assert.deepEqual([status, stdout], [0, '--json -- --meter x\n']);
  });

  test('a signal is passed on, and the metering survives it', async () => {
    const child = spawn(
      process.execPath,
      [
        PHANTOM,
        'energy',
        '--',
        'sh',
        '-c',
        'trap "echo got it; exit 5" TERM; echo ready; while :; do sleep 0.05; done',
      ],
      { env: { ...process.env, PHANTOM_SYSFS: '/nowhere', ...HIDDEN } },
    );
    const texts = { stdout: '', stderr: '' };
    child.stdout.on('data', (text) => (texts.stdout += String(text)));
    child.stderr.on('data', (text) => (texts.stderr += String(text)));
    while (texts.stdout === '') await sleep(20);
    child.kill('SIGTERM');
    const code = await new Promise((resolve) => {
      child.on('close', resolve);
    });
    assert.deepEqual([code, texts.stdout], [5, 'ready\ngot it\n']);
    assert.match(texts.stderr, /^energy .* modelled/m);
  });

  test('a command that a signal ends has its number, one that is not there has 127', () => {
    assert.equal(phantom(['energy', '--', 'sh', '-c', 'kill -9 $$']).status, 137);
    const { status, stderr } = phantom(['energy', '--', './nowhere']);
    assert.deepEqual(
      [status, stderr],
      [127, 'phantom: [energy] cannot start ./nowhere: not found\n'],
    );
  });

  const commands = new CommandLine({ after }, temporaryFolder({ after }), {
    PHANTOM_SYSFS: '/nowhere',
    ...HIDDEN,
  });
  const mistakes: [string, readonly string[], RegExp][] = [
    ['a counter that is not there', ['--meter', 'rapl', '--', 'ls'], /\[rapl\] no counters in/],
    ['a meter of no such name', ['--meter', 'raple', '--', 'ls'], /did you mean rapl\?$/],
    ['no command', [], /missing required argument 'command'/],
    [
      'an interval of nothing',
      ['--interval', '0', '--', 'ls'],
      /--interval is 0; needs a number from 0.01 to 3600/,
    ],
    [
      'a machine that is not there',
      ['--machine', 'x', '--', 'ls'],
      /\[machine\] unknown machine x; give/,
    ],
  ];
  for (const [name, args, message] of mistakes) {
    test(`${name} ends with one line and exit code 2`, async () => {
      const { status, stdout, stderr } = await commands.run('energy', ...args);
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr.replace(/\n$/, ''), message);
      assert.equal(stderr.trimEnd().split('\n').length, 1);
    });
  }
});

/** A RAPL package as sysfs shows it. */
function fakePackage(context: TestContext) {
  const root = temporaryFolder(context);
  const zone = path.join(root, 'class/powercap/intel-rapl:0');
  mkdirSync(zone, { recursive: true });
  const write = (name: string, text: string) => writeFileSync(path.join(zone, name), `${text}\n`);
  write('name', 'package-0');
  write('max_energy_range_uj', '262143328850');
  write('energy_uj', '262143000000');
  return { root, counter: path.join(zone, 'energy_uj') };
}

const SMALL =
  '--data synthetic:teacher?widths=16,32,4&validation=64 --width 32 --batch 16 --engine wasm --ranks 2';

/** The counter has counted so many joules; it wraps around early on. */
function count(counter: string, countedJ: number): void {
  const microjoules = Math.round(262_143_000_000 + countedJ * 1e6) % 262_143_328_850;
  writeFileSync(`${counter}.new`, `${microjoules}\n`);
  // Whole or not at all, as sysfs has it.
  renameSync(`${counter}.new`, counter);
}

/** Trains under a counter; `drive` moves it meanwhile. */
async function trainUnder(
  root: string,
  out: string,
  args: string,
  drive: (ended: () => boolean) => Promise<void>,
) {
  const child = spawn(
    process.execPath,
    [PHANTOM, 'train', ...`${SMALL} ${args} --out ${out}`.split(' ')],
    { env: { ...process.env, PHANTOM_SYSFS: root, ...HIDDEN } },
  );
  let [text, ended] = ['', false];
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  child.stderr.on('data', (chunk) => (text += String(chunk)));
  const code = new Promise((resolve) => {
    child.on('close', resolve);
  });
  child.on('close', () => {
    ended = true;
  });
  await Promise.all([code, drive(() => ended)]);
  return { code: await code, text };
}

/** What `.ci/run` runs with `--all`. */
const withAll = !ALL && 'runs with --all';

describe('a training run', () => {
  test('reports what a counter has counted, over a wrap, split by phase and rank', async (context) => {
    const { root, counter } = fakePackage(context);
    const out = path.join(temporaryFolder(context), 'run');
    let countedJ = 0;
    const { code, text } = await trainUnder(
      root,
      out,
      '--meter rapl --steps 1000',
      async (ended) => {
        // 20 W, in steps of 0.1 J.
        for (; !ended(); await sleep(5)) {
          countedJ += 0.1;
          count(counter, countedJ);
        }
      },
    );
    assert.equal(code, 0, text);
    assert.match(text, /^machine +2 worker threads, .*, energy from rapl$/m);
    const events = readMetrics(out);
    const steps = events.filter(({ type }) => type === 'step') as unknown as StepEvent[];
    const energies = steps.map(({ energyJ }) => energyJ ?? Number.NaN);
    assert.ok(energies.every((energyJ, i) => energyJ >= (energies[i - 1] ?? 0)));
    const { energy, steadySteps } = events.find(
      ({ type }) => type === 'end',
    ) as unknown as EndEvent;
    assert.deepEqual([energy.meter, energy.obtained], ['rapl', 'counter']);
    const energyJ = energy.energyJ ?? Number.NaN;
    assert.ok(energyJ > 0 && energyJ <= countedJ, `${energyJ} of ${countedJ} J`);
    assert.ok(Math.abs(energyJ * 10 - Math.round(energyJ * 10)) < 1e-4, 'whole steps of 0.1 J');
    assert.ok(energyJ >= (energies.at(-1) ?? 0));
    const sum = (parts: readonly (number | null)[]) =>
      parts.reduce<number>((total, part) => total + (part ?? Number.NaN), 0);
    assert.ok(Math.abs(sum(energy.perRankJ) - energyJ) < 1e-9 * energyJ + 1e-12);
    assert.equal(energy.perRankJ.length, 2);
    const phases = Object.values(energy.phases);
    const steadyJ = energy.steadyJ ?? Number.NaN;
    assert.ok(Math.abs(sum(phases.map((phase) => phase.energyJ)) - steadyJ) < 1e-9);
    assert.ok(Math.abs(steadyJ + (energy.restJ ?? Number.NaN) - energyJ) < 1e-9);
    assert.ok((energy.restJ ?? 0) > 0, 'a checkpoint before the first step takes some of it');
    for (const [name, phase] of Object.entries(energy.phases)) {
      assert.ok((phase.energyJ ?? 0) > 0, name);
    }
    assert.equal(steadySteps, 990);
    assert.ok(Math.abs((energy.perStepJ ?? 0) * steadySteps - steadyJ) < 1e-9 * steadyJ);
  });

  test(
    'goes on without joules when the counter vanishes, and says so',
    { skip: withAll },
    async (context) => {
      const { root, counter } = fakePackage(context);
      const out = path.join(temporaryFolder(context), 'run');
      const { code, text } = await trainUnder(
        root,
        out,
        '--meter auto --steps 3000',
        async (ended) => {
          const done = () => readText(path.join(out, 'metrics.jsonl')).includes('"step":100,');
          for (let countedJ = 0; !ended() && !done(); await sleep(5)) {
            countedJ += 0.1;
            count(counter, countedJ);
          }
          rmSync(counter);
        },
      );
      assert.equal(code, 0, text);
      assert.match(text, /warning: no energy: \[rapl\] cannot read .*energy_uj: ENOENT/);
      assert.match(text, /energy +unavailable/);
      const { energy } = readMetrics(out).at(-1) as unknown as EndEvent;
      assert.deepEqual(
        [energy.obtained, energy.energyJ, energy.perStepJ, energy.emissionsG, energy.perRankJ],
        ['unavailable', null, null, null, [null, null]],
      );
    },
  );

  test('without a meter has no joules, with the model it says so', (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const run = phantom(['train', ...`${SMALL} --steps 20 --out ${out} --meter none`.split(' ')]);
    assert.match(run.stdout, /^machine .*, energy not measured$/m);
    assert.match(run.stdout, /^ +energy +not measured$/m);
    const again = '--steps 40 --meter modelled --verbose'.split(' ');
    const more = phantom(['train', '--resume', out, ...again]);
    assert.equal(more.stderr, '');
    assert.match(more.stdout, /^step 40\/40 .* m?J modelled$/m);
    assert.match(more.stdout, /^ +energy +[\d.]+ m?J modelled, .* per step, .* per sample$/m);
    const result = phantom(['eval', out, '--json']);
    const { energy } = jsonOf(result.stdout) as unknown as { energy: EndEvent['energy'] };
    assert.equal(energy.obtained, 'modelled');
    assert.ok((energy.perSampleJ ?? 0) > 0 && energy.perStepJ === null);
  });
});

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
