import type { RunData } from '../runs/run-data.js';
import { thinPlaces } from '../runs/thin.js';
import type { Axis, Figure, Point, Series } from './figure.js';

/** How curves are drawn. */
export interface CurveOptions {
  readonly against: 'step' | 'time' | 'energy';
  /** Share of the value before that a smoothed value keeps; 0: as logged. */
  readonly smoothing: number;
  /** Names of runs that have a color, in its order; the others are in the background. */
  readonly selected: readonly string[];
  /** Whether each run has a panel of its own. */
  readonly apart: boolean;
}

/** Points of a curve, however many steps a run has: more cannot be told apart. */
const MOST_POINTS = 480;
/** Of one in the background, or in a panel of its own. */
const MOST_BACK_POINTS = 120;

interface CachedCurve {
  /** Of what it was made by. */
  readonly key: string;
  readonly points: readonly Point[];
}
/** Curves that have been made, by their run and title; of runs that have not changed the newest stays. */
export type CurveCache = WeakMap<RunData, Map<string, CachedCurve>>;

const ABSCISSAS = {
  step: { axis: { label: 'step' }, column: 'step' },
  time: { axis: { label: 'time', unit: 's' }, column: 'elapsedS' },
  energy: { axis: { label: 'energy', unit: 'J' }, column: 'energyJ' },
} as const satisfies Record<CurveOptions['against'], { axis: Axis; column: string }>;

export type Columns = Readonly<Record<string, readonly (number | null)[]>>;

/** What a figure of curves shows of its runs. */
export interface Curve {
  readonly title: string;
  readonly axis: Axis;
  readonly of: 'steps' | 'validations';
  readonly column: string;
  /** Where the column is not logged: what follows from columns that are. */
  readonly derive?: (run: RunData) => Columns;
}

/** A figure of curves, which are made when they are first read; none where no run has two points. */
export function curveFigure(
  curve: Curve,
  runs: readonly RunData[],
  options: CurveOptions,
  cache: CurveCache,
): Figure[] {
  const { title, axis, column } = curve;
  const abscissa = ABSCISSAS[options.against];
  const hasTwoPoints = (run: RunData) => {
    const all = columnsOf(curve, run);
    const xs = all[abscissa.column] ?? [];
    const known = (all[column] ?? []).filter((y, i) => isKnown(y) && isKnown(xs[i] ?? null));
    return known.length > 1;
  };
  if (!runs.some(hasTwoPoints)) return [];
  const make = () => {
    const series = runs.flatMap((run) => seriesOf(curve, run, options, cache));
    const isPositive = series.every(({ points }) => points.every(({ y }) => y === null || y > 0));
    const scale = axis.scale === 'log' && !isPositive ? ({ scale: 'linear' } as const) : {};
    return { series, y: { ...axis, ...scale } };
  };
  let made: ReturnType<typeof make> | undefined;
  return [
    {
      kind: 'lines',
      title,
      x: abscissa.axis,
      apart: options.apart,
      get y() {
        return (made ??= make()).y;
      },
      get series() {
        return (made ??= make()).series;
      },
    },
  ];
}

function columnsOf({ of, derive }: Curve, run: RunData): Columns {
  return derive?.(run) ?? run[of];
}

function seriesOf(curve: Curve, run: RunData, options: CurveOptions, cache: CurveCache): Series[] {
  const { title, column } = curve;
  const { against, smoothing, apart } = options;
  const { label, look } = lookOf(run, options);
  const most = look === null || apart ? MOST_BACK_POINTS : MOST_POINTS;
  const key = JSON.stringify([against, smoothing, most]);
  const known = cache.get(run) ?? new Map<string, CachedCurve>();
  const last = known.get(title);
  const points =
    last?.key === key
      ? last.points
      : pointsOf(columnsOf(curve, run), [ABSCISSAS[against].column, column], most, smoothing);
  cache.set(run, known.set(title, { key, points }));
  if (points.every(({ y }) => y === null)) return [];
  const modelled = against === 'energy' && run.figures.obtained === 'modelled';
  return [{ label, look, modelled, points }];
}

/** How a run is drawn. */
export function lookOf({ name }: RunData, { selected }: CurveOptions) {
  const at = selected.indexOf(name);
  return { label: name, look: at < 0 ? null : at };
}

/** Points of a curve, smoothed, of which `most` stay; one with gaps keeps all that it has. */
function pointsOf(
  all: Columns,
  [abscissa, column]: readonly [string, string],
  most: number,
  keep: number,
): Point[] {
  const [xs, ys] = [all[abscissa] ?? [], all[column] ?? []];
  const places: number[] = [];
  const logged: (number | null)[] = [];
  for (let i = 0; i < ys.length; i++) {
    if ((xs[i] ?? null) === null) continue;
    places.push(i);
    logged.push(ys[i] ?? null);
  }
  const values = smoothed(logged, keep);
  const kept = values.every(isKnown) ? thinPlaces(values, most) : values.map((_, i) => i);
  return kept.map((i) => {
    const place = places[i] ?? 0;
    const rank = column === 'lagS' ? (all['slowestRank']?.[place] ?? null) : null;
    const point = { x: xs[place] ?? 0, y: values[i] ?? null };
    return rank === null ? point : { ...point, note: `rank ${rank}` };
  });
}

function isKnown(value: number | null): value is number {
  return value !== null;
}

/** An exponential moving average that starts unbiased. */
function smoothed(values: readonly (number | null)[], keep: number): readonly (number | null)[] {
  if (keep <= 0) return values;
  let [mean, weight] = [0, 0];
  return values.map((value) => {
    if (value === null) return null;
    mean = keep * mean + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return mean / weight;
  });
}
