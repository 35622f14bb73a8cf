import type { RunData } from '../runs/run-data.js';
import { thin } from '../runs/thin.js';
import type { Axis, Figure, Point, Series } from './figure.js';
import { scalingFigures } from './scaling-charts.js';
import { memoryFigures, stepFigures } from './step-charts.js';

/** How curves are drawn. */
export interface CurveOptions {
  readonly against: 'step' | 'time' | 'energy';
  /** Share of the value before that a smoothed value keeps; 0: as logged. */
  readonly smoothing: number;
  /** Names of runs that have a color, in its order; the others are in the background. */
  readonly selected: readonly string[];
}

/** Figures under a heading. */
export interface FigureGroup {
  readonly title: string;
  readonly figures: readonly Figure[];
}

/** Points of a curve, however many steps a run has: more cannot be told apart. */
const MOST_POINTS = 480;
/** Of one in the background. */
const MOST_BACK_POINTS = 120;

interface CachedCurve {
  /** Of what it was made by. */
  readonly key: string;
  readonly points: readonly Point[];
}
/** Curves that have been made, by their run and title; of runs that have not changed the newest stays. */
export type CurveCache = WeakMap<RunData, Map<string, CachedCurve>>;

/** Runs that have a color where nobody has chosen any. */
export const MOST_SELECTED = 7;

const ABSCISSAS = {
  step: { axis: { label: 'step' }, column: 'step' },
  time: { axis: { label: 'time', unit: 's' }, column: 'elapsedS' },
  energy: { axis: { label: 'energy', unit: 'J' }, column: 'energyJ' },
} as const satisfies Record<CurveOptions['against'], { axis: Axis; column: string }>;

type Columns = Readonly<Record<string, readonly (number | null)[]>>;

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
      const named = figures.map((figure) => ({ ...figure, title: figure.title + suffix }));
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
  const options = {
    ...given,
    selected: given.selected.filter((name) => names.has(name)),
    cache,
  };
  const selected = runs.filter(({ name }) => options.selected.includes(name));
  const chosen = selected.length === 0 ? runs.slice(0, MOST_SELECTED) : selected;
  return [
    { title: 'Loss and metrics', figures: lossFigures(runs, options) },
    { title: 'Energy and loss', figures: tradeFigures(runs, options) },
    { title: 'Course of training', figures: courseFigures(runs, options) },
    { title: 'A steady step', figures: stepFigures(chosen) },
    { title: 'Scaling', figures: scalingFigures(runs) },
    { title: 'Memory of rank 0', figures: memoryFigures(chosen) },
  ];
}

interface CachingOptions extends CurveOptions {
  readonly cache: CurveCache;
}

interface Curve {
  readonly title: string;
  readonly axis: Axis;
  readonly columns: (run: RunData) => Columns;
  readonly column: string;
}

function curveFigure(
  { title, axis, columns, column }: Curve,
  runs: readonly RunData[],
  options: CachingOptions,
): Figure[] {
  const { against, smoothing, cache } = options;
  const abscissa = ABSCISSAS[against];
  const series = runs.flatMap((run): Series[] => {
    const { label, look } = lookOf(run, options);
    const most = look === null ? MOST_BACK_POINTS : MOST_POINTS;
    const key = JSON.stringify([against, smoothing, most]);
    const known = cache.get(run) ?? new Map<string, CachedCurve>();
    const last = known.get(title);
    const points =
      last?.key === key
        ? last.points
        : thinned(smoothed(pointsOf(columns(run), abscissa.column, column), smoothing), most);
    cache.set(run, known.set(title, { key, points }));
    if (points.every(({ y }) => y === null)) return [];
    const modelled = against === 'energy' && run.figures.obtained === 'modelled';
    return [{ label, look, modelled, points }];
  });
  if (series.every(({ points }) => points.length < 2)) return [];
  const isPositive = series.every(({ points }) => points.every(({ y }) => y === null || y > 0));
  const scale = axis.scale === 'log' && !isPositive ? ({ scale: 'linear' } as const) : {};
  const y: Axis = { ...axis, ...scale };
  return [{ kind: 'lines', title, x: abscissa.axis, y, series }];
}

function lookOf({ name }: RunData, { selected }: CurveOptions) {
  const at = selected.indexOf(name);
  return { label: name, look: at < 0 ? null : at };
}

function pointsOf(all: Columns, abscissa: string, column: string): Point[] {
  const [xs, ys] = [all[abscissa] ?? [], all[column] ?? []];
  return ys.flatMap((y, i): Point[] => {
    const x = xs[i] ?? null;
    const rank = column === 'lagS' ? (all['slowestRank']?.[i] ?? null) : null;
    return x === null ? [] : [{ x, y, ...(rank === null ? {} : { note: `rank ${rank}` }) }];
  });
}

/** Fewer points; a curve with gaps keeps all that it has. */
function thinned(points: readonly Point[], most: number): readonly Point[] {
  return points.every(isKnown) ? thin(points, most) : points;
}

function isKnown(point: Point): point is Point & { readonly y: number } {
  return point.y !== null;
}

/** An exponential moving average that starts unbiased. */
function smoothed(points: readonly Point[], keep: number): Point[] {
  if (keep <= 0) return [...points];
  let [mean, weight] = [0, 0];
  return points.map((point) => {
    if (point.y === null) return point;
    mean = keep * mean + (1 - keep) * point.y;
    weight = keep * weight + (1 - keep);
    return { ...point, y: mean / weight };
  });
}

const ofSteps = (run: RunData): Columns => run.steps;
const ofValidations = (run: RunData): Columns => run.validations;
const OWN = new Set(['step', 'loss', 'accuracy', 'elapsedS', 'energyJ']);

function lossFigures(runs: readonly RunData[], options: CachingOptions): Figure[] {
  const curve = (title: string, axis: Axis, columns: Curve['columns'], column: string) =>
    curveFigure({ title, axis, columns, column }, runs, options);
  const log = { scale: 'log' } as const;
  const share = { label: 'accuracy', unit: '%' };
  const metrics = [...new Set(runs.flatMap((run) => Object.keys(run.validations)))];
  return [
    ...curve('Training loss', { label: 'training loss', ...log }, ofSteps, 'loss'),
    ...curve('Validation loss', { label: 'validation loss', ...log }, ofValidations, 'loss'),
    ...curve('Training accuracy', share, ofSteps, 'accuracy'),
    ...curve('Validation accuracy', share, ofValidations, 'accuracy'),
    ...metrics
      .filter((name) => !OWN.has(name))
      .flatMap((name) => curve(`Validation ${name}`, { label: name }, ofValidations, name)),
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

function courseFigures(runs: readonly RunData[], options: CachingOptions): Figure[] {
  const curve = (title: string, axis: Axis, column: string, columns = ofSteps) =>
    curveFigure({ title, axis, columns, column }, runs, options);
  // Runs differ in these by what they are, not because one has diverged.
  const whole = { fromZero: true, whole: true } as const;
  return [
    ...curve('Learning rate', { label: 'learning rate', ...whole }, 'learningRate'),
    ...curve('Gradient norm', { label: 'gradient norm', scale: 'log' }, 'gradientNorm'),
    ...curve('Samples per second', { label: 'samples/s', ...whole }, 'samplesPerS'),
    ...curve('Lag of the slowest rank', { label: 'lag', unit: 's', ...whole }, 'lagS'),
    ...curve('Power', { label: 'power', unit: 'W', ...whole }, 'powerW', withPower),
    ...(options.against === 'energy'
      ? []
      : curve('Energy so far', { label: 'energy', unit: 'J', ...whole }, 'energyJ')),
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
