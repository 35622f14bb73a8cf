import type { RunData } from '../runs/run-data.js';
import {
  type Columns,
  type Curve,
  type CurveCache,
  curveFigure,
  type CurveOptions,
  lookOf,
} from './curves.js';
import type { Axis, Figure, Series } from './figure.js';
import { scalingFigures } from './scaling-charts.js';
import { memoryFigures, stepFigures } from './step-charts.js';

/** Figures under a heading. */
export interface FigureGroup {
  readonly title: string;
  readonly figures: readonly Figure[];
}

/** Runs that have a color where nobody has chosen any. */
export const MOST_SELECTED = 7;

/** All figures of some runs, in the order of a page; those of different data or loss apart. */
export function runFigures(
  runs: readonly RunData[],
  options: CurveOptions,
  cache: CurveCache = new WeakMap(),
): FigureGroup[] {
  const groups = new Map<string, Figure[]>();
  const byData = groupRuns(runs);
  for (const [name, members] of byData) {
    const suffix = byData.size > 1 ? ` (${name})` : '';
    for (const { title, figures } of figuresOfData(members, options, cache)) {
      const named =
        suffix === ''
          ? figures
          : figures.map((figure) => ({ ...figure, title: figure.title + suffix }));
      groups.set(title, [...(groups.get(title) ?? []), ...named]);
    }
  }
  return [...groups].flatMap(([title, figures]) =>
    figures.length === 0 ? [] : [{ title, figures }],
  );
}

/** Runs by their data and loss. */
export function groupRuns(runs: readonly RunData[]): Map<string, RunData[]> {
  const groups = new Map<string, RunData[]>();
  for (const run of runs) groups.set(run.group, [...(groups.get(run.group) ?? []), run]);
  return groups;
}

/** Names of the runs on the same data that have a color where nobody has chosen: the best. */
export function bestRuns(runs: readonly RunData[]): string[] {
  const result = ({ figures }: RunData) => figures.validationLoss ?? figures.loss ?? Infinity;
  const best = new Set(runs.toSorted((a, b) => result(a) - result(b)).slice(0, MOST_SELECTED));
  return runs.filter((run) => best.has(run)).map(({ name }) => name);
}

function figuresOfData(
  runs: readonly RunData[],
  given: CurveOptions,
  cache: CurveCache,
): FigureGroup[] {
  const names = new Set(runs.map(({ name }) => name));
  const options = { ...given, selected: given.selected.filter((name) => names.has(name)) };
  const selected = runs.filter(({ name }) => options.selected.includes(name));
  const chosen = selected.length === 0 ? runs.slice(0, MOST_SELECTED) : selected;
  const figuresOf = (curves: readonly Curve[]) =>
    curves.flatMap((curve) => curveFigure(curve, runs, options, cache));
  return [
    { title: 'Loss and metrics', figures: figuresOf(lossCurves(runs)) },
    { title: 'Energy and loss', figures: tradeFigures(runs, options) },
    { title: 'Course of training', figures: figuresOf(courseCurves(options)) },
    { title: 'A steady step', figures: stepFigures(chosen) },
    { title: 'Scaling', figures: scalingFigures(runs) },
    { title: 'Memory of rank 0', figures: memoryFigures(chosen) },
  ];
}

const OWN = new Set(['step', 'loss', 'accuracy', 'elapsedS', 'energyJ']);

function lossCurves(runs: readonly RunData[]): Curve[] {
  const log = { scale: 'log' } as const;
  const share = { label: 'accuracy', unit: '%' };
  const [training, validation] = [{ of: 'steps' }, { of: 'validations' }] as const;
  const loss = { column: 'loss' };
  const accuracy = { axis: share, column: 'accuracy' };
  const metrics = [...new Set(runs.flatMap((run) => Object.keys(run.validations)))];
  return [
    { title: 'Training loss', axis: { label: 'training loss', ...log }, ...training, ...loss },
    {
      title: 'Validation loss',
      axis: { label: 'validation loss', ...log },
      ...validation,
      ...loss,
    },
    { title: 'Training accuracy', ...training, ...accuracy },
    { title: 'Validation accuracy', ...validation, ...accuracy },
    ...metrics
      .filter((name) => !OWN.has(name))
      .map((name) => ({
        title: `Validation ${name}`,
        axis: { label: name },
        ...validation,
        column: name,
      })),
  ];
}

/** What a loss takes in joules. */
function tradeFigures(runs: readonly RunData[], options: CurveOptions): Figure[] {
  const series = runs.flatMap((run): Series[] => {
    const { energyJ, obtained, validationLoss, loss } = run.figures;
    const y = validationLoss ?? loss;
    if (energyJ === null || y === null) return [];
    const modelled = obtained === 'modelled';
    return [{ ...lookOf(run, options), modelled, points: [{ x: energyJ, y }] }];
  });
  if (series.length < 2) return [];
  const x: Axis = { label: 'energy of the run', unit: 'J', fromZero: true };
  const y: Axis = { label: 'validation loss' };
  return [{ kind: 'dots', title: 'Last loss against energy', x, y, series }];
}

function courseCurves({ against }: CurveOptions): Curve[] {
  const curve = (title: string, axis: Axis, column: string): Curve => ({
    title,
    axis,
    of: 'steps',
    column,
  });
  // Runs differ in these by what they are, not because one has diverged.
  const whole = { fromZero: true, whole: true } as const;
  const power = curve('Power', { label: 'power', unit: 'W', ...whole }, 'powerW');
  return [
    curve('Learning rate', { label: 'learning rate', ...whole }, 'learningRate'),
    curve('Gradient norm', { label: 'gradient norm', scale: 'log' }, 'gradientNorm'),
    curve('Samples per second', { label: 'samples/s', ...whole }, 'samplesPerS'),
    curve('Lag of the slowest rank', { label: 'lag', unit: 's', ...whole }, 'lagS'),
    { ...power, derive: withPower },
    ...(against === 'energy'
      ? []
      : [curve('Energy so far', { label: 'energy', unit: 'J', ...whole }, 'energyJ')]),
  ];
}

/** Mean watts between logged steps that are a thirtieth of the run or more apart. */
function withPower(run: RunData): Columns {
  const { elapsedS, energyJ } = run.steps;
  const apart = ((elapsedS.at(-1) ?? 0) - (elapsedS[0] ?? 0)) / 30;
  let before = 0;
  const powerW = energyJ.map((joules, i) => {
    const [at, from] = [elapsedS[i] ?? null, elapsedS[before] ?? null];
    const joulesBefore = energyJ[before] ?? null;
    if (i === 0 || joules === null || joulesBefore === null || at === null || from === null) {
      before = i;
      return null;
    }
    if (at - from < apart || at === from) return null;
    before = i;
    return (joules - joulesBefore) / (at - from);
  });
  const known = powerW.flatMap((value, i) => (value === null ? [] : [i]));
  const pick = (column: readonly (number | null)[]) => known.map((i) => column[i] ?? null);
  return {
    step: pick(run.steps.step),
    elapsedS: pick(elapsedS),
    energyJ: pick(energyJ),
    powerW: pick(powerW),
  };
}
