// What `phantom report` makes of run folders, whole and damaged.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { PageData } from '#src/report/page-data.js';
import { temporaryFolder } from '../support/files.js';
import { writeRunFolder } from '../support/run-folder.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

function report(cwd: string, ...args: readonly string[]) {
  const run = spawnSync(process.execPath, [MAIN, 'report', ...args], { cwd, encoding: 'utf8' });
  return { status: run.status, stdout: run.stdout, stderr: run.stderr };
}

interface Told {
  readonly files: string[];
  readonly problems: string[];
  readonly runs: {
    readonly name: string;
    readonly step: { step: number; elapsedS: number; energyJ: number | null } | null;
    readonly problems: string[];
  }[];
}

const json = (text: string) => JSON.parse(text) as Told;

/** What a page has inside. */
function dataOf(page: string): PageData {
  const [, text = ''] = /id="data">([^<]*)</.exec(page) ?? [];
  return JSON.parse(text) as PageData;
}

describe('phantom report', () => {
  it('writes one page of all runs of a folder, each number with its run', (context) => {
    const cwd = temporaryFolder(context);
    writeRunFolder(path.join(cwd, 'runs/first'));
    writeRunFolder(path.join(cwd, 'runs/second'), {
      settings: { strategy: 'tensor' },
      obtained: 'counter',
    });
    const { status, stdout } = report(cwd, 'runs', '--out', 'out/page.html');
    assert.equal(status, 0);
    assert.match(stdout, /wrote out\/page\.html/);
    const page = readFileSync(path.join(cwd, 'out/page.html'), 'utf8');
    const { runs } = dataOf(page);
    assert.deepEqual(
      runs.map(({ name, figures }) => [name, figures.perStepJ, figures.obtained]),
      [
        ['first', 0.3, 'modelled'],
        ['second', 0.3, 'counter'],
      ],
    );
    assert.doesNotMatch(page, /<[^>]+(?:src|href)="(?!data:)/);
  });

  it('names folders without a run, on the page and beside it', (context) => {
    const cwd = temporaryFolder(context);
    writeRunFolder(path.join(cwd, 'runs/whole'));
    mkdirSync(path.join(cwd, 'runs/foreign'));
    mkdirSync(path.join(cwd, 'runs/.hidden'));
    writeFileSync(path.join(cwd, 'runs/notes.txt'), 'no folder');
    const skipped = 'skipped: no config.json of a run in runs/foreign';
    const { status, stderr } = report(cwd, 'runs', '--out', 'page.html');
    assert.equal(status, 0);
    assert.equal(stderr, `phantom: ${skipped}\n`);
    const page = readFileSync(path.join(cwd, 'page.html'), 'utf8');
    assert.deepEqual(dataOf(page).notes, [skipped]);
    const none = report(cwd, 'runs/foreign');
    assert.equal(none.status, 2);
    assert.match(none.stderr, /runs\/foreign is not a run folder: it has no config\.json/);
  });

  it('escapes what users named', (context) => {
    const cwd = temporaryFolder(context);
    const name = '<img src=x onerror=alert(1)>';
    writeRunFolder(path.join(cwd, name), { data: '<script>alert(2)</script>' });
    assert.equal(report(cwd, name, '--out', 'page.html').status, 0);
    const page = readFileSync(path.join(cwd, 'page.html'), 'utf8');
    assert.doesNotMatch(page, /<img|<script>alert/);
    assert.equal(dataOf(page).runs[0]?.name, name);
  });

  it('reads a run that was cut off, up to its last whole line', (context) => {
    const cwd = temporaryFolder(context);
    writeRunFolder(path.join(cwd, 'run'), {
      lines: (lines) => [...lines.slice(0, 5), '{"type":"step","step":40,"lo'],
    });
    const { status, stdout } = report(cwd, 'run', '--json');
    assert.equal(status, 0);
    const [run] = json(stdout).runs;
    assert.equal(run?.step?.step, 30);
    assert.equal(run?.step?.energyJ, 7.5);
    const page = readFileSync(path.join(cwd, 'run/report.html'), 'utf8');
    assert.equal(dataOf(page).runs[0]?.figures.step, 40 - 10);
    assert.deepEqual(run?.problems, [
      'metrics.jsonl ends in the middle of a line, which was skipped',
      'no end event: the run is still going, or was killed',
    ]);
  });

  it('keeps a log of starts, notes, warnings, checkpoints, best validations and the end', (context) => {
    const cwd = temporaryFolder(context);
    const many = Array.from({ length: 300 }, () => '{"type":"checkpoint","step":100,"folder":"f"}');
    writeRunFolder(path.join(cwd, 'run'), {
      lines: ([start = '', first = '', ...rest]) => [
        start.replace('"firstStep"', '"notes":["column id is left out"],"firstStep"'),
        first,
        '{"type":"warning","message":"beware"}',
        '{"type":"validation","step":10,"loss":0.25,"accuracy":null,"best":true}',
        ...many,
        ...rest,
      ],
    });
    assert.equal(report(cwd, 'run').status, 0);
    const page = readFileSync(path.join(cwd, 'run/report.html'), 'utf8');
    const log = dataOf(page).runs[0]?.log ?? [];
    assert.equal(log.length, 100);
    assert.deepEqual(log[0], { step: 10, elapsedS: 0.05, kind: 'warning', text: 'beware' });
    assert.deepEqual(log.at(-1), {
      ...{ step: 100, elapsedS: 0.5, kind: 'note' },
      text: 'ended after 100 steps: finished',
    });
    writeRunFolder(path.join(cwd, 'run'), {
      lines: ([start = '', ...rest]) => [
        start.replace('"firstStep"', '"notes":["column id is left out"],"firstStep"'),
        ...rest.slice(0, 3),
        '{"type":"validation","step":10,"loss":0.25,"accuracy":null,"best":true}',
        start.replace('"firstStep":0', '"firstStep":20'),
        '',
      ],
    });
    assert.equal(report(cwd, 'run').status, 0);
    const again = dataOf(readFileSync(path.join(cwd, 'run/report.html'), 'utf8')).runs[0]?.log;
    const where = '2 worker threads; process 1 on a machine of nobody';
    assert.deepEqual(
      again?.map(({ text }) => text),
      [
        where,
        'column id is left out',
        'best validation so far: 0.2500',
        `goes on from step 20: ${where}`,
      ],
    );
  });

  it('tells damaged lines and leaves them out', (context) => {
    const cwd = temporaryFolder(context);
    const broken = [
      '{"type":"step","step":null,"loss":1,"elapsedS":1}',
      'garbage',
      '[]',
      '{"type":"surprise"}',
      '{"type":"step","step":10,"loss":1,"elapsedS":1}',
      '{"type":"step","step":101,"loss":1,"elapsedS":0.01}',
      '{"type":"step","step":102,"loss":1,"elapsedS":9,"energyJ":1}',
      '{"type":"end","step":102,"reason":"tired"}',
    ];
    writeRunFolder(path.join(cwd, 'run'), {
      lines: (lines) => [...lines.slice(0, -2), ...broken, ...lines.slice(-2)],
    });
    const { status, stdout } = report(cwd, 'run', '--json');
    assert.equal(status, 0);
    const [run] = json(stdout).runs;
    assert.equal(run?.step?.step, 100);
    assert.equal(run?.problems.length, broken.length);
    const reasons = [/without number, loss or time/, /not JSON/, /unknown type/, /unknown type/];
    for (const [i, reason] of reasons.entries()) assert.match(run?.problems[i] ?? '', reason);
    assert.match(run?.problems[4] ?? '', /goes back to step 10/);
    assert.match(run?.problems[5] ?? '', /goes back in time/);
    assert.match(run?.problems[6] ?? '', /less energy than the step before/);
    assert.match(run?.problems[7] ?? '', /an end without step or reason/);
  });

  it('adds up the parts of a resumed run', (context) => {
    const cwd = temporaryFolder(context);
    writeRunFolder(path.join(cwd, 'run'), {
      lines: (lines) => {
        const start = lines[0] ?? '';
        const step =
          '{"type":"step","step":200,"loss":0.001,"elapsedS":0.25,"energyJ":5,"stepTimeS":0.005}';
        return [...lines.slice(0, -2), start, step, ''];
      },
    });
    const [run] = json(report(cwd, 'run', '--json').stdout).runs;
    assert.equal(run?.step?.elapsedS, 0.75);
    assert.equal(run?.step?.energyJ, 30);
    assert.match(run?.problems.join('\n') ?? '', /resumed 1 time:/);
  });

  it('goes on without a folder that is no run, and ends with code 2 when none is', (context) => {
    const cwd = temporaryFolder(context);
    writeRunFolder(path.join(cwd, 'good'));
    writeRunFolder(path.join(cwd, 'other'));
    const file = path.join(cwd, 'other/config.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"version": 1', '"version": 9'));
    writeRunFolder(path.join(cwd, 'hollow'));
    const hollow = path.join(cwd, 'hollow/config.json');
    const { machine: _, ...config } = JSON.parse(readFileSync(hollow, 'utf8')) as object & {
      machine: unknown;
    };
    writeFileSync(hollow, JSON.stringify(config));
    const both = report(cwd, 'good', 'other', 'hollow', 'nowhere', '--json', '--out', 'x.html');
    assert.equal(both.status, 0);
    const problems = json(both.stdout).problems.join('\n');
    assert.match(problems, /other.*version 1.*\n.*hollow.*machine is missing.*\n.*nowhere/);
    assert.match(readFileSync(path.join(cwd, 'x.html'), 'utf8'), /not the description of a run/);
    const none = report(cwd, 'other');
    assert.equal(none.status, 2);
    assert.match(
      none.stderr,
      /^phantom: \[report\] none of these runs can be read\nphantom: \[run\] other/,
    );
    rmSync(path.join(cwd, 'good/metrics.jsonl'));
    assert.match(report(cwd, 'good').stderr, /has no metrics\.jsonl; the run has not started/);
    assert.equal(existsSync(path.join(cwd, 'good/report.html')), false);
  });

  it('--format markdown and svg write a table in words, and every chart', (context) => {
    const cwd = temporaryFolder(context);
    writeRunFolder(path.join(cwd, 'run|x'));
    assert.equal(report(cwd, 'run|x', '--format', 'markdown', '--out', 'runs.md').status, 0);
    const text = readFileSync(path.join(cwd, 'runs.md'), 'utf8');
    assert.match(text, /^\| run \| state .*\n\| --- .*\n\| run\\\|x \| finished \|/);
    assert.match(text, /~ modelled/);
    const { status, stdout } = report(cwd, 'run|x', '--format', 'svg', '--out', 'charts', '--json');
    assert.equal(status, 0);
    const { files } = json(stdout);
    assert.ok(files.length >= 8 && files.includes('charts/training-loss.svg'));
    for (const file of files) assert.match(readFileSync(path.join(cwd, file), 'utf8'), /^<svg /);
  });

  it('a page that cannot be written is reported', (context) => {
    const cwd = temporaryFolder(context);
    writeRunFolder(path.join(cwd, 'run'));
    const { status, stderr } = report(cwd, 'run', '--out', 'run/config.json/x.html');
    assert.equal(status, 2);
    assert.match(stderr, /^phantom: \[report\] cannot write run\/config\.json\/x\.html/);
  });
});
