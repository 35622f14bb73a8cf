// One definition of each figure: terminal, JSON, pages and comparisons say the same numbers.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { OutcomeCollector } from '#src/app/compare/outcome.js';
import { formatDuration, formatSi } from '#src/base/format.js';
import { endPairs } from '#src/cli/progress.js';
import { runFigures } from '#src/report/run-charts.js';
import { runsMarkdown } from '#src/report/runs-page.js';
import { describeRun, readRun } from '#src/runs/run-folders.js';
import { RUN_COLUMNS } from '#src/runs/run-table.js';
import type { EndEvent, TrainingEvent } from '#src/training/events.js';
import { temporaryFolder } from '../support/files.js';
import { writeRunFolder } from '../support/run-folder.js';

const OPTIONS = { against: 'step', smoothing: 0, selected: [], apart: false } as const;

describe('figures', () => {
  it('are the same in terminal, JSON, table, charts and comparison', (context) => {
    const folder = writeRunFolder(path.join(temporaryFolder(context), 'run'));
    const events = readFileSync(path.join(folder, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as TrainingEvent);
    const end = events.at(-1) as EndEvent;
    const run = describeRun(readRun(folder));
    const { figures } = run;
    const step = formatDuration(figures.stepTimeS ?? Number.NaN);
    const energy = formatSi(figures.perStepJ ?? Number.NaN, 'J');

    assert.equal(figures.stepTimeS, end.medianStepTimeS);
    const terminal = new Map(endPairs(end));
    assert.match(terminal.get('speed') ?? '', new RegExp(`^${step} per step`));
    assert.match(terminal.get('energy') ?? '', new RegExp(`, ${energy} per step$`));
    const cell = (title: string) => RUN_COLUMNS.find((one) => one.title === title)?.text(run);
    assert.equal(cell('step time'), step);
    assert.equal(cell('energy per step'), `~${energy}`);
    assert.ok(runsMarkdown([run], []).includes(`| ${step} |`));

    const collector = new OutcomeCollector();
    for (const event of events) collector.onEvent(event);
    const outcome = collector.outcome(
      { contestant: 'x', rate: 1, seed: 0, target: null },
      end,
      null,
    );
    assert.equal(outcome.stepTimeS, figures.stepTimeS);
    assert.equal(outcome.stepEnergyJ, figures.perStepJ);

    const { phases, steadyJ } = end.energy;
    const sum = (values: readonly (number | null)[]) =>
      values.reduce<number>((all, value) => all + (value ?? 0), 0);
    const bars = runFigures([run], OPTIONS).flatMap((group) => group.figures);
    const bar = (title: RegExp) => {
      const figure = bars.find((one) => title.test(one.title));
      return figure?.kind === 'bars' ? sum(figure.bars[0]?.values ?? []) : Number.NaN;
    };
    const meanS = sum(Object.values(phases).map(({ timeS }) => timeS)) / end.steadySteps;
    assert.ok(Math.abs(bar(/^Time of a steady step/) - meanS) < 1e-12);
    const joules = bar(/^Energy of a steady step/);
    assert.ok(Math.abs(joules - (steadyJ ?? 0) / end.steadySteps) < 1e-12);
    assert.ok(Math.abs(joules - (figures.perStepJ ?? 0)) < 1e-12);
  });

  it('of a run that goes on leave its first steps out', (context) => {
    const folder = writeRunFolder(path.join(temporaryFolder(context), 'run'), {
      lines: (lines) =>
        lines.slice(0, 6).map((line) => line.replace('"step":10,', '"slow":1,"step":10,')),
    });
    const run = readRun(folder);
    const [first, ...others] = run.steps;
    const slow = {
      ...run,
      steps: [{ ...first, stepTimeS: 9 }, ...others],
    };
    assert.equal(describeRun(slow).figures.stepTimeS, 0.005);
  });

  it('ranks with lag: the slowest is the one that waits least', (context) => {
    const root = temporaryFolder(context);
    const ended = describeRun(readRun(writeRunFolder(path.join(root, 'ended'))));
    const lines = (all: readonly string[]) => all.slice(0, 6);
    const going = describeRun(readRun(writeRunFolder(path.join(root, 'going'), { lines })));
    assert.deepEqual(going.rankWaitingS, [0.0005, 0.0001]);
    const titlesOf = (run: typeof going) =>
      runFigures([run], OPTIONS).flatMap(({ figures }) => figures);
    const lag = titlesOf(going).find(({ title }) => title === 'Lag of the slowest rank');
    assert.ok(lag?.kind === 'lines');
    const [point] = lag.series[0]?.points ?? [];
    assert.deepEqual([point?.x, point?.y, point?.note], [10, 0.0004, 'rank 1']);
    const ranks = titlesOf(going).find(({ title }) => title === 'Ranks of going: the newest step');
    assert.ok(ranks?.kind === 'bars');
    assert.deepEqual(ranks.bars, [
      { label: 'rank 0', values: [0.005 - 0.0005, 0.0005] },
      { label: 'rank 1, slowest by 400 µs', values: [0.005 - 0.0001, 0.0001] },
    ]);
    const phases = titlesOf(ended).find(({ title }) => title.startsWith('Ranks of ended'));
    assert.match(phases?.title ?? '', /a steady step by phase$/);
    assert.ok(phases?.kind === 'bars');
    assert.match(phases.bars[0]?.label ?? '', /^rank 0, slowest by 222 µs$/);
  });

  it('keep the steps of a long run in which a rank was late', (context) => {
    const late = new Set([777, 2345]);
    const lines = (all: readonly string[]) => [
      ...all.slice(0, 1),
      ...Array.from({ length: 4000 }, (_, i) => {
        const rankWaitingS = late.has(i) ? [0, 5] : [0, 0.001];
        const [loss, elapsedS] = [2 + Math.sin(i), i / 100];
        return JSON.stringify({ type: 'step', step: i + 1, loss, elapsedS, rankWaitingS });
      }),
    ];
    const run = readRun(writeRunFolder(path.join(temporaryFolder(context), 'long'), { lines }));
    const { lagS, step } = describeRun(run).steps;
    assert.ok(step.length < 2000);
    assert.deepEqual(
      step.filter((_, i) => lagS[i] === 5),
      [778, 2346],
    );
  });

  it('curves have two points or more of a run, against whatever they are', (context) => {
    const root = temporaryFolder(context);
    const titlesOf = (
      name: string,
      against: 'step' | 'time' | 'energy',
      lines: (all: readonly string[]) => readonly string[],
    ) => {
      const run = describeRun(readRun(writeRunFolder(path.join(root, name), { lines })));
      return runFigures([run], { ...OPTIONS, against }).flatMap(({ figures }) =>
        figures.flatMap((figure) => {
          if (figure.kind !== 'lines') return [];
          const known = figure.series.map(({ points }) => points.filter(({ y }) => y !== null));
          assert.ok(Math.max(...known.map(({ length }) => length)) > 1, figure.title);
          return [figure.title];
        }),
      );
    };
    const unmetered = (all: readonly string[]) =>
      all.map((line) =>
        line.startsWith('{"type":"step"')
          ? line.replace(/"energyJ":[\d.]+/, '"energyJ":null')
          : line,
      );
    assert.deepEqual(titlesOf('unmetered', 'energy', unmetered), []);
    const logged = ['Training loss', 'Validation loss', 'Learning rate', 'Gradient norm'];
    const course = [...logged, 'Samples per second', 'Lag of the slowest rank'];
    assert.deepEqual(titlesOf('unmetered', 'step', unmetered), course);
    const whole = (all: readonly string[]) => all;
    assert.deepEqual(titlesOf('metered', 'energy', whole), [...course, 'Power']);

    // Two logged steps have one power between them.
    const first = (count: number) => (all: readonly string[]) => {
      const steps = all.filter((line) => line.startsWith('{"type":"step"'));
      return [...all.slice(0, 1), ...steps.slice(0, count), ''];
    };
    const powerOf = (count: number) =>
      titlesOf(`${count} steps`, 'time', first(count)).filter((title) => title === 'Power');
    assert.deepEqual(powerOf(2), []);
    assert.deepEqual(powerOf(3), ['Power']);
  });

  it('scaling joins runs that differ in the axis alone', (context) => {
    const root = temporaryFolder(context);
    const run = (ghosts: number, ranks: number) =>
      describeRun(
        readRun(
          writeRunFolder(path.join(root, `k${ghosts}-r${ranks}`), { settings: { ghosts, ranks } }),
        ),
      );
    const against = (runs: Parameters<typeof runFigures>[0]) =>
      runFigures(runs, OPTIONS).flatMap(({ title, figures }) =>
        title === 'Scaling' ? figures.map((figure) => figure.title) : [],
      );
    assert.deepEqual(against([run(4, 1), run(16, 2)]), []);
    assert.deepEqual(against([run(4, 1), run(16, 1)]), [
      'Step time against ghosts K',
      'Energy per sample against ghosts K',
    ]);
  });

  it('runs of different data have no common axis; metrics, accuracy and rate have curves', (context) => {
    const root = temporaryFolder(context);
    const one = (name: string) =>
      describeRun(
        readRun(
          writeRunFolder(path.join(root, name), {
            data: name,
            lines: (lines) =>
              lines.map((line) =>
                line
                  .replace('"accuracy":null', '"accuracy":0.5')
                  .replace('"metrics":{}', '"metrics":{"rmse":2}'),
              ),
          }),
        ),
      );
    const [group] = runFigures([one('a.csv'), one('b.csv')], OPTIONS);
    const titles = group?.figures.map(({ title }) => title) ?? [];
    for (const data of ['a.csv', 'b.csv']) {
      for (const what of ['Training loss', 'Training accuracy', 'Validation rmse']) {
        assert.ok(titles.includes(`${what} (${data}, mse)`), titles.join());
      }
    }
    for (const { title, figures } of runFigures([one('a.csv'), one('b.csv')], OPTIONS)) {
      for (const figure of figures) {
        const shown =
          figure.kind === 'bars' ? figure.bars : 'series' in figure ? figure.series : [];
        const names = shown.map(({ label }) => label).filter((label) => label.endsWith('.csv'));
        assert.ok(names.length <= 1, title);
        assert.match(figure.title, / \([ab]\.csv, mse\)$/);
      }
    }
    const course = runFigures([one('a.csv')], OPTIONS).find(({ title }) => /Course/.test(title));
    const names = course?.figures.map(({ title }) => title);
    assert.deepEqual(names?.slice(0, 3), ['Learning rate', 'Gradient norm', 'Samples per second']);
  });
});
