// `phantom compare` as a user runs it: its files, going on, interruption, and mistakes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CommandLine } from '../support/command-line.js';
import { ALL } from '../support/all.js';
import { temporaryFolder } from '../support/files.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

const SMALL = [
  '--data',
  'synthetic:teacher?widths=8,16,4&validation=32',
  '--width',
  '16',
  '--blocks',
  '2',
  '--ranks',
  '1',
  '--engine',
  'wasm',
  '--batch',
  '8',
  '--steps',
  '20',
  '--out',
  'out',
  '--try-ghosts',
  '2',
  '--rates',
  '0.01',
  '--seeds',
  '1',
  '--patience',
  '1',
  '--search',
  '1',
];

const WITHOUT_SEARCH = SMALL.slice(0, SMALL.indexOf('--patience'));

interface Line {
  readonly type: string;
  readonly contestant?: string;
  readonly verdict?: string;
  readonly tables?: { readonly title: string; readonly rows: string[][] }[];
  readonly findings?: { readonly groups?: readonly string[] };
}

function lines(text: string): Line[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

interface RecordFile {
  readonly runs: Record<string, unknown>[];
  readonly tables: object[];
}

function record(cwd: string): RecordFile {
  return JSON.parse(readFileSync(path.join(cwd, 'out/compare.json'), 'utf8')) as RecordFile;
}

/** Interrupts a comparison after its first run. */
function interrupted(cwd: string): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, 'compare', ...SMALL, '--json'], { cwd });
    child.stdout.once('data', () => child.kill('SIGINT'));
    child.on('exit', resolve);
  });
}

/** What `.ci/run` runs with `--all`. */
const withAll = !ALL && 'runs with --all';

describe('phantom compare', () => {
  it('keeps what is done when it is interrupted, goes on, and writes its files', async (context: TestContext) => {
    const cwd = temporaryFolder(context);
    const commands = new CommandLine(context, cwd);
    assert.equal(await interrupted(cwd), 130);
    const done = record(cwd).runs;
    assert.ok(done.length >= 1 && done.length < 8, `${done.length} runs`);
    assert.match(readFileSync(path.join(cwd, 'out/report.html'), 'utf8'), /was interrupted/);

    const { status, stdout, stderr } = await commands.run('compare', ...SMALL, '--json');
    assert.equal(status, 0, stderr);
    const told = lines(stdout);
    const { runs, tables } = record(cwd);
    const fresh = told.filter(({ type }) => type === 'run');
    assert.equal(fresh.length, runs.length - done.length);
    assert.deepEqual(runs.slice(0, done.length), done);
    const last = told.at(-1);
    assert.equal(last?.type, 'comparison');
    assert.deepEqual(last?.tables, tables);
    assert.match(last?.verdict ?? '', /^(?:phantom-|No phantom |After equal steps )/);
    const names = last?.tables?.[0]?.rows.map(([name]) => name);
    assert.deepEqual(names, [
      'tensor-n16-p2-r1',
      'tensor-paired-n16-p2-r1',
      'phantom-n16-p2-k2-r1',
    ]);
    assert.ok(existsSync(path.join(cwd, 'out/chart-1.svg')));
    assert.match(
      readFileSync(path.join(cwd, 'out/report.html'), 'utf8'),
      /same width: fixed steps/,
    );

    const again = await commands.run('compare', ...SMALL);
    assert.equal(again.status, 0);
    assert.match(again.stdout, new RegExp(`${runs.length} runs found, which will not be repeated`));
    const other = await commands.run('compare', ...SMALL, '--batch', '16');
    assert.equal(other.status, 2);
    assert.match(other.stderr, /out\/compare\.json is a comparison with other settings/);
    writeFileSync(path.join(cwd, 'out/compare.json'), '{"format":');
    assert.match(
      (await commands.run('compare', ...SMALL)).stderr,
      /compare\.json: not JSON; it is damaged/,
    );
  });

  it(
    'finds a frontier, and knows its runs when it is started again',
    { skip: withAll },
    async (context) => {
      const cwd = temporaryFolder(context);
      const commands = new CommandLine(context, cwd);
      const args = [...WITHOUT_SEARCH, '--frontier', '--try-widths', '8', '--steps', '5', '--json'];
      const { status, stdout, stderr } = await commands.run('compare', ...args);
      assert.equal(status, 0, stderr);
      // Dense, tensor, paired and phantom, each with one rate and then one seed.
      assert.equal(lines(stdout).filter(({ type }) => type === 'run').length, 8);
      const { tables, findings } = lines(stdout).at(-1) ?? {};
      assert.deepEqual(
        tables?.map(({ title }) => title.replace(/^.*: /, '')),
        [
          'Networks, 5 steps each',
          'phantom / dense',
          'phantom / tensor',
          'phantom / tensor-paired',
        ],
      );
      assert.deepEqual(findings?.groups, ['dense', 'tensor', 'tensor-paired', 'phantom']);
      const again = await commands.run('compare', ...args);
      assert.deepEqual(
        lines(again.stdout).map(({ type }) => type),
        ['comparison'],
      );
      assert.deepEqual(lines(again.stdout)[0]?.tables, tables);
      assert.ok(existsSync(path.join(cwd, 'out/chart-1.svg')));
    },
  );

  const mistaken = new CommandLine({ after }, temporaryFolder({ after }));
  const FRONTIER = ['--frontier', '--try-widths', '9'];
  const mistakes: [string, readonly string[], RegExp][] = [
    ['a strategy', ['--strategy', 'tensor'], /--strategy with compare; all strategies take part$/],
    [
      'a rate that is none',
      ['--rates', '1e-3,fast'],
      /--rates is \[0.001,"fast"\]; needs a list of numbers above 0/,
    ],
    ['a width that blocks do not divide', FRONTIER, /width 9 and 2 blocks; they must divide it$/],
    [
      'a size without effect',
      ['--try-depths', '1'],
      /--try-depths has no effect here; give --front/,
    ],
    ['no seeds', ['--seeds', '0'], /--seeds is 0; needs an integer from 1 to 1000$/],
    ['one block', ['--blocks', '1'], /blocks 1; phantom needs 2 or more$/],
    [
      'data without validation',
      ['--data', 'synthetic:teacher?validation=0'],
      /has no validation part; use --validation 0\.1$/,
    ],
  ];
  for (const [name, args, message] of mistakes) {
    it(`${name}: one line and exit code 2`, async () => {
      const all = args === FRONTIER ? WITHOUT_SEARCH : SMALL;
      const { status, stdout, stderr } = await mistaken.run('compare', ...all, ...args);
      assert.equal(status, 2);
      assert.equal(stdout, '');
      assert.match(stderr.trimEnd(), message);
      assert.equal(stderr.trimEnd().split('\n').length, 1);
    });
  }
});
