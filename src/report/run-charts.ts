import { PHASES } from '../base/phases.js';
import type { Axis, Bar, Figure, Point, Series } from './figure.js';
import type { RunData } from '../runs/run-data.js';

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

/** Runs that have a color where nobody has chosen any. */
export const MOST_SELECTED = 7;

const ABSCISSAS = {
  step: { axis: { label: 'step' }, column: 'step' },
  time: { axis: { label: 'time', unit: 's' }, column: 'elapsedS' },
  energy: { axis: { label: 'energy', unit: 'J' }, column: 'energyJ' },
} as const satisfies Record<CurveOptions['against'], { axis: Axis; column: string }>;

type Columns = Readonly<Record<string, readonly (number | null)[]>>;

/** All figures of some runs, in the order of a page. */
export function runFigures(runs: readonly RunData[], options: CurveOptions): FigureGroup[] {
  const selected = runs.filter(({ name }) => options.selected.includes(name));
  const chosen = selected.length === 0 ? runs.slice(0, MOST_SELECTED) : selected;
  const groups: FigureGroup[] = [
    { title: 'Loss and metrics', figures: lossFigures(runs, options) },
    { title: 'Energy and loss', figures: tradeFigures(runs, options) },
    { title: 'Course of training', figures: courseFigures(runs, options) },
    { title: 'A steady step', figures: stepFigures(chosen) },
    { title: 'Scaling', figures: scalingFigures(runs) },
    { title: 'Memory of rank 0', figures: memoryFigures(chosen) },
  ];
  return groups.filter(({ figures }) => figures.length > 0);
}

/** Runs on the same data with the same loss. */
function byGroup(runs: readonly RunData[]): [suffix: string, members: readonly RunData[]][] {
  const groups = new Map<string, RunData[]>();
  for (const run of runs) groups.set(run.group, [...(groups.get(run.group) ?? []), run]);
  const several = groups.size > 1;
  return [...groups].map(([name, members]) => [several ? ` (${name})` : '', members]);
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
  options: CurveOptions,
): Figure[] {
  const abscissa = ABSCISSAS[options.against];
  const series = runs.flatMap((run): Series[] => {
    const all = columns(run);
    const [xs, ys] = [all[abscissa.column] ?? [], all[column] ?? []];
    const points = ys.flatMap((y, i): Point[] => {
      const x = xs[i] ?? null;
      return x === null ? [] : [{ x, y }];
    });
    if (points.every(({ y }) => y === null)) return [];
    const modelled = options.against === 'energy' && run.figures.obtained === 'modelled';
    return [{ ...lookOf(run, options), modelled, points: smoothed(points, options.smoothing) }];
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

function lossFigures(runs: readonly RunData[], options: CurveOptions): Figure[] {
  return byGroup(runs).flatMap(([suffix, members]) => {
    const curve = (title: string, axis: Axis, columns: Curve['columns'], column: string) =>
      curveFigure({ title: `${title}${suffix}`, axis, columns, column }, members, options);
    const log = { scale: 'log' } as const;
    const share = { label: 'accuracy', unit: '%' };
    const metrics = [...new Set(members.flatMap((run) => Object.keys(run.validations)))];
    return [
      ...curve('Training loss', { label: 'training loss', ...log }, ofSteps, 'loss'),
      ...curve('Validation loss', { label: 'validation loss', ...log }, ofValidations, 'loss'),
      ...curve('Training accuracy', share, ofSteps, 'accuracy'),
      ...curve('Validation accuracy', share, ofValidations, 'accuracy'),
      ...metrics
        .filter((name) => !OWN.has(name))
        .flatMap((name) => curve(`Validation ${name}`, { label: name }, ofValidations, name)),
    ];
  });
}

/** What a loss takes in joules, and in time where joules are not known. */
function tradeFigures(runs: readonly RunData[], options: CurveOptions): Figure[] {
  if (runs.length < 2) return [];
  return byGroup(runs).flatMap(([suffix, members]): Figure[] => {
    const series = members.flatMap((run): Series[] => {
      const { energyJ, obtained, validationLoss, loss } = run.figures;
      const y = validationLoss ?? loss;
      if (energyJ === null || y === null) return [];
      const modelled = obtained === 'modelled';
      return [{ ...lookOf(run, options), modelled, points: [{ x: energyJ, y }] }];
    });
    if (series.length < 2) return [];
    const x: Axis = { label: 'energy of the run', unit: 'J', fromZero: true };
    const title = `Last loss against energy${suffix}`;
    return [{ kind: 'dots', title, x, y: { label: 'validation loss' }, series }];
  });
}

function courseFigures(runs: readonly RunData[], options: CurveOptions): Figure[] {
  const curve = (title: string, axis: Axis, column: string, columns = ofSteps) =>
    curveFigure({ title, axis, columns, column }, runs, options);
  return [
    ...curve('Learning rate', { label: 'learning rate' }, 'learningRate'),
    ...curve('Gradient norm', { label: 'gradient norm', scale: 'log' }, 'gradientNorm'),
    ...curve('Samples per second', { label: 'samples/s', fromZero: true }, 'samplesPerS'),
    ...curve('Power', { label: 'power', unit: 'W', fromZero: true }, 'powerW', withPower),
    ...(options.against === 'energy'
      ? []
      : curve('Energy so far', { label: 'energy', unit: 'J', fromZero: true }, 'energyJ')),
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

/** Ranks that have a bar each. */
const MOST_RANKS = 16;

function stepFigures(runs: readonly RunData[]): Figure[] {
  const phased = runs.filter(({ phases }) => phases.length > 0);
  const byPhase = (read: (phase: RunData['phases'][number]) => number | null) =>
    phased.map((run): Bar => {
      const known = new Map(run.phases.map((phase) => [phase.name, read(phase)]));
      return { label: run.name, values: PHASES.map((name) => known.get(name) ?? null) };
    });
  const energies = byPhase(({ energyJ }) => energyJ).map((bar, i) => ({
    ...bar,
    modelled: phased[i]?.figures.obtained === 'modelled',
  }));
  const figures: Figure[] = [];
  const add = (
    title: string,
    axis: string,
    unit: string,
    parts: readonly string[],
    bars: Bar[],
  ) => {
    if (bars.some(({ values }) => values.some((value) => value !== null))) {
      figures.push({ kind: 'bars', title, axis, unit, parts, bars });
    }
  };
  const time = 'mean time of a step';
  add(
    'Time of a steady step by phase, mean over ranks',
    time,
    's',
    PHASES,
    byPhase((one) => one.timeS),
  );
  add('Energy of a steady step by phase', 'energy of a step', 'J', PHASES, energies);
  add(
    'Communication of rank 0: hidden behind computing, and exposed',
    time,
    's',
    ['hidden', 'exposed', 'waiting for data'],
    runs.map(({ name, communication: { hiddenS, exposedS, dataS } }) => ({
      label: name,
      values: [hiddenS, exposedS, dataS],
    })),
  );
  for (const run of runs.slice(0, 4)) {
    if (run.rankTimesS.length < 2) continue;
    const shown = run.rankTimesS.slice(0, MOST_RANKS);
    const more = shown.length < run.rankTimesS.length ? `, the first ${MOST_RANKS}` : '';
    const bars = shown.map((values, rank) => ({ label: `rank ${rank}`, values }));
    add(`Ranks of ${run.name}: a steady step by phase${more}`, time, 's', PHASES, bars);
  }
  return figures;
}

function memoryFigures(runs: readonly RunData[]): Figure[] {
  const parts = runs[0]?.memory.map(([name]) => name) ?? [];
  const bars = runs.map(({ name, memory }) => ({
    label: name,
    values: memory.map(([, bytes]) => bytes),
  }));
  const title = 'Memory of rank 0, computed from sizes';
  return parts.length === 0
    ? []
    : [{ kind: 'bars', title, axis: 'memory', unit: 'B', parts, bars }];
}

/** Settings that change no figure: where a run is written, what it logs. */
const NEUTRAL = new Set(['out', 'seed', 'logEvery', 'checkpointEvery', 'keepCheckpoints']);
const SCALED = [
  { key: 'blocks', label: 'blocks P' },
  { key: 'ranks', label: 'ranks' },
  { key: 'ghosts', label: 'ghosts K' },
] as const;

/** Step time and joules per sample against P, ranks and K; a curve joins runs that differ in that
 * alone. */
function scalingFigures(runs: readonly RunData[]): Figure[] {
  const values = [
    { title: 'Step time', axis: { label: 'median step time', unit: 's' }, of: stepTime },
    { title: 'Energy per sample', axis: { label: 'energy per sample', unit: 'J' }, of: perSample },
  ] as const;
  return SCALED.flatMap(({ key, label }) =>
    values.flatMap(({ title, axis, of }): Figure[] => {
      const groups = new Map<string, RunData[]>();
      for (const run of runs) {
        const { settings } = run;
        if (of(run) === null || !(Number(settings[key]) > 0)) continue;
        const others = Object.entries(settings).filter(
          ([name]) => name !== key && !NEUTRAL.has(name),
        );
        const id = JSON.stringify([
          others.toSorted(([a], [b]) => (a < b ? -1 : 1)),
          run.figures.obtained,
        ]);
        groups.set(id, [...(groups.get(id) ?? []), run]);
      }
      const series = [...groups.values()].flatMap((members): Series[] => {
        const points = members
          .map((run) => ({ x: Number(run.settings[key]), y: of(run), note: run.name }))
          .toSorted((a, b) => a.x - b.x);
        if (new Set(points.map(({ x }) => x)).size < 2) return [];
        const [first] = members;
        const modelled = axis.unit === 'J' && first?.figures.obtained === 'modelled';
        const others =
          members.length === 2 ? `and ${members[1]?.name}` : `and ${members.length - 1} more`;
        return [{ label: `${first?.name} ${others}`, modelled, points }];
      });
      if (series.length === 0) return [];
      const x: Axis = { label, scale: 'log2' };
      const y: Axis = { ...axis, fromZero: true };
      return [{ kind: 'lines', title: `${title} against ${label}`, x, y, series }];
    }),
  );
}

function stepTime({ figures }: RunData): number | null {
  return figures.stepTimeS;
}

function perSample({ figures }: RunData): number | null {
  return figures.perSampleJ;
}
