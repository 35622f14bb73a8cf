// What a user meets at the command line: exit codes, one-line errors, --json, resuming.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { describeCommands } from '#src/cli/command-list.js';
import { CommandLine } from '../support/command-line.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'cli-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const commands = new CommandLine({ after }, folder);
/** Most of this runs in one process, what a process adds in one of its own. */
const phantom = (...args: readonly string[]) => commands.run(...args);
function processOf(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { status, stdout, stderr };
}

const messageOf = (text: string) => text.replace(/\n$/, '');
const linesOf = (text: string) => text.split('\n').filter((line) => line !== '');
const eventsOf = (text: string) =>
  linesOf(text).map((line) => JSON.parse(line) as { type: string } & Record<string, unknown>);

/** Small enough that a run takes a second; on one rank, but where a run is stopped. */
const smallOn = (ranks: number) => [
  '--data',
  'synthetic:teacher?widths=16,32,4&validation=64',
  '--width',
  '32',
  '--batch',
  '16',
  '--engine',
  'wasm',
  '--ranks',
  String(ranks),
];
const SMALL = smallOn(1);

test('--norm none is the choice none', async () => {
  const network = ['--architecture', 'residual', '--norm', 'none', '--steps', '1'];
  const { status, stderr } = await phantom('train', ...SMALL, ...network, '--out', 'unnormed');
  assert.equal(status, 0, stderr);
  const config = JSON.parse(readFileSync(path.join(folder, 'unnormed/config.json'), 'utf8')) as {
    readonly settings: { readonly norm: unknown };
    readonly specification: { readonly residual: { readonly norm: unknown } };
  };
  assert.deepEqual([config.settings.norm, config.specification.residual.norm], ['none', 'none']);
  const args = ['--norm', 'none', '--blocks', '4', '--ghosts', '2', '--out', 'small'];
  const compressed = await phantom('compress', 'unnormed', ...args);
  assert.match(compressed.stderr, /--norm.* with unnormed, which states/s);
});

describe('mistakes end with one line and exit code 2', () => {
  const cases: [string, readonly string[], RegExp][] = [
    [
      'an unknown command',
      ['trian'],
      /^phantom: \[command\] unknown command trian; did you mean train\?$/,
    ],
    ['an unknown flag', ['train', '--widht', '8'], /unknown flag --widht; did you mean --width\?$/],
    ['a flag by another name', ['train', '--learning-rate', '1'], /did you mean --lr\?$/],
    ['a flag as it is in files', ['train', '--weightDecay', '1'], /did you mean --weight-decay\?$/],
    ['an unknown flag of eval', ['eval', 'x', '--batchsize=3'], /did you mean --batch\?$/],
    [
      'a flag of nothing like it',
      ['doctor', '--zzz'],
      /unknown flag --zzz; known are --json, --help$/,
    ],
    ['a missing value', ['train', '--width'], /^phantom: \[flags\] --width needs a value$/],
    [
      'a flag for a value',
      ['train', '--data', '--steps', '5'],
      /--data needs a value; --steps follows it$/,
    ],
    ['a value for a switch', ['train', '--json=yes'], /--json takes no value$/],
    [
      'a wrong type',
      ['train', '--width', 'wide'],
      /^phantom: \[flags\] --width is "wide"; needs an integer from 1/,
    ],
    ['a fraction of a layer', ['train', '--depth', '1.5'], /--depth is 1\.5; needs an integer/],
    ['a rate of zero', ['train', '--lr', '0'], /--lr is 0; needs a number above 0$/],
    [
      'an unknown choice',
      ['train', '--engine', 'gpu'],
      /--engine is "gpu"; needs one of auto, blas, wasm, cuda$/,
    ],
    ['a choice mistyped', ['train', '--activation', 'rleu'], /did you mean relu\?$/],
    [
      'steps and epochs',
      ['train', '--steps', '1', '--epochs', '1'],
      /a run has one of the two lengths$/,
    ],
    ['two configs', ['train', 'a.yaml', 'b.yaml'], /too many arguments/],
    [
      'no config there',
      ['train', 'nowhere.yaml'],
      /^phantom: \[nowhere\.yaml\] no such config file$/,
    ],
    ['too many ghosts', ['train', '--ghosts', '257'], /257 ghosts .*needs ghosts ≤ 256$/],
    ['uneven blocks', ['train', '--width', '10'], /nearest widths that fit: 8 and 12$/],
    ['uneven ranks', ['train', '--ranks', '3'], /ranks that fit: 1, 2, 4$/],
    [
      'uneven micro-batches',
      ['train', '--accumulate', '3'],
      /nearest batches that fit: 126 and 129$/,
    ],
    ['one phantom block', ['train', '--blocks', '1'], /phantom with 1 block .*--blocks 2 or more/],
    ['data that is not there', ['train', '--data', 'nowhere.csv'], /nowhere\.csv/],
    ['data of an unknown format', ['train', '--data', MAIN], /unknown format/],
    ['no run folder', ['train', '--resume', 'nowhere'], /nowhere is not a run folder/],
    [
      'a config and --resume',
      ['train', 'a.yaml', '--resume', 'x'],
      /--resume; a resumed run has its own settings/,
    ],
    ['--out and --resume', ['train', '--resume', 'x', '--out', 'y'], /goes on in its own folder$/],
    ['an eval of nothing', ['eval'], /missing required argument 'model'/],
    ['an eval of no run', ['eval', 'nowhere'], /nowhere: no such run folder/],
  ];
  for (const [name, args, expected] of cases) {
    test(name, async () => {
      const { status, stdout, stderr } = await phantom(...args);
      assert.equal(status, 2, stderr);
      assert.equal(stdout, '');
      assert.match(messageOf(stderr), expected);
      assert.equal(linesOf(stderr).length, 1, stderr);
      assert.ok(!existsSync(path.join(folder, 'runs')), 'nothing may be written');
    });
  }

  test('a file with several mistakes tells them all', async () => {
    writeFileSync(path.join(folder, 'bad.yaml'), 'widht: 8\nlr: -1\n');
    const { status, stderr } = await phantom('train', 'bad.yaml');
    assert.equal(status, 2);
    assert.deepEqual(linesOf(stderr), [
      'phantom: [bad.yaml:1] unknown key "widht"; did you mean width?',
      'phantom: [bad.yaml:2] lr is -1; needs a number above 0',
    ]);
  });

  test('a file where the run folder should be', async () => {
    writeFileSync(path.join(folder, 'taken'), '');
    const { status, stderr } = await phantom(
      'train',
      ...SMALL,
      '--steps',
      '1',
      '--out',
      'taken/run',
    );
    assert.equal(status, 2, stderr);
    assert.equal(linesOf(stderr).length, 1, stderr);
    assert.match(stderr, /cannot make taken\/run: .*set --out/);
  });
});

test('with --json an error is an object on stdout and a line on stderr', () => {
  for (const args of [
    ['train', '--widht', '1'],
    ['train', '--ranks', '3'],
    ['eval', 'nowhere'],
  ]) {
    const { status, stdout, stderr } = processOf(...args, '--json');
    assert.equal(status, 2);
    const [event, ...others] = eventsOf(stdout);
    assert.deepEqual(others, []);
    assert.equal(event?.type, 'error');
    assert.equal(stderr, `phantom: ${String(event?.['message'])}\n`);
  }
});

test('help and version are answers, not mistakes', async () => {
  for (const args of [['--help'], ['-h'], ['help'], ['eval', '-h']]) {
    const { status, stdout, stderr } = await phantom(...args);
    assert.deepEqual([status, stderr], [0, ''], args.join(' '));
    assert.match(stdout, /^Usage: node \S+main\.js /);
  }
  assert.equal((await phantom('help', 'train')).stdout, (await phantom('train', '--help')).stdout);
  assert.match(
    (await phantom('help', 'trian')).stderr,
    /unknown command trian; did you mean train\?$/m,
  );
  const { version } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  ) as { version: string };
  for (const flag of ['--version', '-v']) assert.equal(processOf(flag).stdout, `${version}\n`);
  const nothing = processOf();
  assert.deepEqual([nothing.status, nothing.stdout], [2, '']);
  assert.match(nothing.stderr, /^Usage: /);
  assert.match(
    (await phantom('--verison', 'train')).stderr,
    /unknown flag --verison; did you mean --version/,
  );
});

test('every command is in the help, and has help with examples', async () => {
  const { stdout } = await phantom('--help');
  const described = await describeCommands('phantom');
  assert.deepEqual(
    [...stdout.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name]) => name),
    described.map(({ name }) => name),
  );
  for (const { name, flags, examples } of described) {
    const help = await phantom(name, '--help');
    assert.deepEqual([help.status, help.stderr], [0, ''], name);
    assert.match(help.stdout, /^Examples:\n {2}\$ /m, name);
    assert.ok(examples.length > 0);
    for (const { flag, takes } of flags) {
      const shown =
        takes.kind === 'switch' && takes.initial === true ? `--no-${flag.slice(2)}` : flag;
      assert.match(help.stdout, new RegExp(`^  ${shown}[ \n]`, 'm'), `${name} ${flag}`);
    }
  }
});

test('examples and hints name the command as it was started', async () => {
  const bin = path.join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(MAIN, path.join(bin, 'phantom'));
  const helpWith = (npmCommand: string | undefined) =>
    spawnSync(path.join(bin, 'phantom'), ['--help'], {
      encoding: 'utf8',
      env: {
        ...process.env,
        PATH: `${bin}${path.delimiter}${process.env['PATH']}`,
        npm_command: npmCommand,
      },
    }).stdout;
  assert.match(helpWith('exec'), /^ {2}\$ npx phantom-parallel demo$/m);
  const help = helpWith(undefined);
  assert.match(help, /^Usage: phantom <command>/);
  assert.match(help, /^ {2}\$ phantom demo$/m);
});

test('help names every flag of the training command', async () => {
  const { stdout } = await phantom('train', '--help');
  const flags =
    'strategy width depth blocks ghosts ranks engine data batch steps epochs loss activation ' +
    'optimizer lr schedule warmup weight-decay clip-norm accumulate seed no-shuffle validation ' +
    'target-loss log-every checkpoint-every out resume json ends relaxed-simd timeout standardize ' +
    'validate-every momentum beta1 beta2 epsilon keep-checkpoints';
  for (const flag of flags.split(' ')) assert.match(stdout, new RegExp(`^  --${flag}[ \n]`, 'm'));
});

test('doctor tells what is there, also as one object', async () => {
  const { status, stdout } = await phantom('doctor', '--json');
  assert.equal(status, 0);
  const [report, ...others] = eventsOf(stdout);
  assert.deepEqual(others, []);
  const engines = report?.['engines'] as { name: string; flopsPerS: number | null }[];
  assert.deepEqual(
    engines.map(({ name }) => name),
    ['blas', 'wasm', 'wasm --relaxed-simd', 'cuda'],
  );
  const wasm = engines.find(({ name }) => name === 'wasm')?.flopsPerS ?? 0;
  assert.ok(wasm > 0, `${wasm}`);
  const text = (await phantom('doctor')).stdout;
  for (const title of [
    'Machine',
    'Matrix libraries',
    'Communicators',
    'Energy meters',
    'Engines',
  ]) {
    assert.ok(text.includes(title), title);
  }
  assert.match(text, /^(Missing|Nothing is missing\.)$/m);
  assert.match(
    text,
    /missing +MPI +needed for several machines; apt-get install|ok +MPI +(Open MPI|MPICH)/,
  );
});

describe('a run', () => {
  before(() => {
    writeFileSync(path.join(folder, 'small.yaml'), 'width: 64\nsteps: 500\nlr: 0.01\nghosts: 4\n');
  });

  test('flags win over the file, and --json writes its events and nothing else', async () => {
    const { status, stdout, stderr } = await phantom(
      'train',
      'small.yaml',
      ...SMALL,
      '--steps',
      '12',
      '--log-every',
      '4',
      '--json',
      '--out',
      'flags',
    );
    assert.deepEqual([status, stderr], [0, '']);
    const events = eventsOf(stdout);
    const types = events.map(({ type }) => type);
    assert.deepEqual([types[0], types.at(-1)], ['start', 'end']);
    const steps = events.filter(({ type }) => type === 'step').map(({ step }) => step);
    assert.deepEqual(steps, [4, 8, 12]);
    const { settings } = JSON.parse(
      readFileSync(path.join(folder, 'flags/config.json'), 'utf8'),
    ) as { settings: Record<string, unknown> };
    const { width, steps: length, lr, ghosts } = settings;
    assert.deepEqual({ width, length, lr, ghosts }, { width: 32, length: 12, lr: 0.01, ghosts: 4 });
  });

  test('tells people what runs, how it goes, and what to do next', async () => {
    const { status, stdout, stderr } = processOf(
      'train',
      ...SMALL,
      '--steps',
      '20',
      '--out',
      'told',
    );
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(
      stdout,
      /^network +phantom, width 32, depth 2, 4 blocks, 8 ghosts, 3\.30 k parameters$/m,
    );
    assert.match(stdout, /^step 10\/20  loss \d/m);
    assert.match(stdout, /validation loss \d/);
    assert.match(stdout, /^Finished after 20 steps in /m);
    const next = stdout.slice(stdout.indexOf('\nNext:\n')).trim().split('\n');
    assert.deepEqual(
      next.map((line) => line.replace(/node \/.*\/main\.js/, 'phantom')),
      ['Next:', '  phantom report told', '  phantom eval told', '  phantom serve told'],
    );
    assert.ok(!stdout.includes('\u001B') && !stdout.includes('\r'), 'no control characters');

    const evaluation = await phantom('eval', 'told', '--json');
    assert.equal(evaluation.status, 0, evaluation.stderr);
    const [result, ...others] = eventsOf(evaluation.stdout);
    assert.deepEqual(others, []);
    const metrics = eventsOf(readFileSync(path.join(folder, 'told/metrics.jsonl'), 'utf8'));
    const validation = metrics.findLast(({ type }) => type === 'validation');
    const loss = Number(validation?.['loss']);
    assert.ok(
      Math.abs(Number(result?.['loss']) - loss) <= 1e-5 * loss,
      'the same rows and weights',
    );
  });

  test('with nested ghosts is evaluated at each number of them', async () => {
    const nested = ['--nested-ghosts', '--ghost-precision', 'int8', '--out', 'nested'];
    const run = await phantom('train', ...SMALL, '--steps', '4', ...nested);
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stdout, /8 ghosts in int8, nested, [\d.]+ k parameters$/m);
    const { status, stdout, stderr } = await phantom('eval', 'nested', '--sweep-ghosts');
    assert.equal(status, 0, stderr);
    assert.match(
      stdout,
      /^ghosts +loss +accuracy +FLOPs per sample +bytes per sample +energy per sample/m,
    );
    assert.deepEqual(
      [...stdout.matchAll(/^(\d+) .*–/gm)].map(([, ghosts]) => ghosts),
      ['1', '2', '4', '8'],
    );
    const [one] = eventsOf(
      (await phantom('eval', 'nested', '--sweep-ghosts', '2,8', '--json')).stdout,
    );
    assert.deepEqual(
      ((one?.['sweep'] ?? []) as { ghosts: number }[]).map(({ ghosts }) => ghosts),
      [2, 8],
    );
    const bad = await phantom('eval', 'nested', '--sweep-ghosts', '2,x');
    assert.deepEqual([bad.status, bad.stdout], [2, '']);
    assert.match(bad.stderr, /--sweep-ghosts is \[2,"x"\]; needs a list of integers from 1/);
  });

  test('refuses a damaged checkpoint, and names the file', async () => {
    const trained = await phantom('train', ...SMALL, '--steps', '2', '--out', 'damaged', '--json');
    assert.equal(trained.status, 0, trained.stderr);
    const name = 'checkpoints/step-00000002/model-00001-of-00001.safetensors';
    truncateSync(path.join(folder, 'damaged', name), 100);
    for (const args of [
      ['eval', 'damaged'],
      ['train', '--resume', 'damaged', '--steps', '4'],
    ]) {
      const { status, stdout, stderr } = await phantom(...args);
      assert.deepEqual([status, stdout], [2, ''], stderr);
      assert.ok(stderr.includes(name), stderr);
      assert.equal(linesOf(stderr).length, 1, stderr);
    }
  });

  test('that diverges ends with the step and the tensor', async () => {
    const args = ['--optimizer', 'sgd', '--lr', '1e30', '--steps', '50', '--out', 'diverged'];
    const { status, stderr } = await phantom('train', ...SMALL, ...args);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /^phantom: \[training\] the loss of step \d+ is .* not finite is .*--lr/);
    assert.equal(linesOf(stderr).length, 1, stderr);
  });

  test('refuses a folder that holds a run', async () => {
    mkdirSync(path.join(folder, 'held'));
    writeFileSync(path.join(folder, 'held/config.json'), '{}');
    const { status, stderr } = await phantom('train', ...SMALL, '--steps', '1', '--out', 'held');
    assert.equal(status, 2);
    assert.match(stderr, /held already holds a run; continue it with --resume held/);
    assert.deepEqual(readdirSync(path.join(folder, 'held')), ['config.json']);
  });

  test('ends quietly when the reader of its output goes away', async () => {
    const child = spawn(process.execPath, [MAIN, 'train', '--help'], { cwd: folder });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    await ended(child);
    assert.equal(stderr, '');
  });

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    test(`is saved and can be resumed after ${signal}`, async () => {
      const out = `stopped-${signal}`;
      const child = spawn(
        process.execPath,
        [MAIN, 'train', ...smallOn(2), '--steps', '1000000', '--log-every', '5', '--out', out],
        { cwd: folder },
      );
      let stdout = '';
      child.stdout.on('data', (chunk: Buffer) => {
        if (!stdout.includes('\nstep ') && `${stdout}${chunk}`.includes('\nstep '))
          child.kill(signal);
        stdout += chunk.toString();
      });
      assert.equal(await ended(child), code);
      assert.match(stdout, /^Interrupted after \d+ steps in /m);
      assert.match(
        stdout,
        new RegExp(`^To go on:\n  node /.*/main\\.js train --resume ${out}$`, 'm'),
      );
      const saved = Math.max(...checkpointsOf(out));
      assert.ok(saved > 0);

      const to = String(saved + 10);
      const refused = await phantom('train', '--resume', out, '--width', '64', '--steps', to);
      assert.equal(refused.status, 2);
      assert.match(refused.stderr, /--width 64, but the run has width 32; a resumed run keeps/);
      const resumed = await phantom('train', '--resume', out, '--steps', to, '--json');
      assert.equal(resumed.status, 0, resumed.stderr);
      const start = eventsOf(resumed.stdout).find(({ type }) => type === 'start');
      assert.deepEqual([start?.['firstStep'], start?.['steps']], [saved, saved + 10]);
      assert.equal(Math.max(...checkpointsOf(out)), saved + 10);
    });
  }
});

function checkpointsOf(run: string): number[] {
  return readdirSync(path.join(folder, run, 'checkpoints'))
    .filter((name) => name.startsWith('step-'))
    .map((name) => Number(name.slice('step-'.length)));
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.on('close', (code) => resolve(code));
  });
}
