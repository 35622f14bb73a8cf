import { exchangesGhosts } from '../layers/strategies.js';
import { formatGhosts } from '../base/format.js';
import type { Chart } from './chart.js';
import type { Axis } from './frame.js';
import type { RunRecord } from './run-record.js';
import { lineChart, type Point, scatterChart, type Series } from './xy-chart.js';

type Maker = (width: number) => Chart;

interface Abscissa {
  readonly name: string;
  readonly axis: Axis;
  readonly at: (step: { elapsedS: number; step: number; energyJ: number | null }) => number | null;
}

const ABSCISSAS: readonly Abscissa[] = [
  { name: 'steps', axis: { label: 'step' }, at: ({ step }) => step },
  { name: 'time', axis: { label: 'time', unit: 's' }, at: ({ elapsedS }) => elapsedS },
  { name: 'energy', axis: { label: 'energy', unit: 'J' }, at: ({ energyJ }) => energyJ },
];

/** Curves in one chart; more would hide one another. */
const MOST_CURVES = 8;

/** Training and validation loss against steps, time and joules. */
export function lossCharts(runs: readonly RunRecord[]): Maker[] {
  return (['training', 'validation'] as const).flatMap((part) =>
    ABSCISSAS.flatMap((abscissa) => {
      const series = runs.map((run) => lossSeries(run, part, abscissa));
      const known = series.filter(({ points }) => points.length > 1);
      if (known.length === 0) return [];
      const groups = Array.from({ length: Math.ceil(known.length / MOST_CURVES) }, (_, i) =>
        known.slice(i * MOST_CURVES, (i + 1) * MOST_CURVES),
      );
      const y: Axis = { label: `${part} loss`, ...(isPositive(known) ? { scale: 'log' } : {}) };
      return groups.map((group, i): Maker => {
        const place = groups.length === 1 ? '' : ` (${i + 1} of ${groups.length})`;
        const word = abscissa.name === 'energy' && group.some(({ modelled }) => modelled);
        const title = `${part === 'training' ? 'Training' : 'Validation'} loss against ${abscissa.name}${word ? ' (modelled)' : ''}${place}`;
        return (width) => lineChart({ title, width, x: abscissa.axis, y, series: group });
      });
    }),
  );
}

function isPositive(series: readonly Series[]): boolean {
  return series.every(({ points }) => points.every(({ y }) => y === null || y > 0));
}

function lossSeries(
  run: RunRecord,
  part: 'training' | 'validation',
  { at, name }: Abscissa,
): Series {
  const points: Point[] = [];
  const add = (x: number | null, y: number) => {
    if (x !== null) points.push({ x, y });
  };
  if (part === 'training') for (const step of run.steps) add(at(step), step.loss);
  else {
    for (const { step, loss } of run.validations) {
      const logged = run.steps.findLast((each) => each.step <= step);
      // A validation stands at the time and energy of its own step, where that was logged.
      if (name === 'steps') add(step, loss);
      else if (logged?.step === step) add(at(logged), loss);
    }
  }
  const modelled = name === 'energy' && run.obtained === 'modelled';
  return { label: run.name, points, modelled };
}

/** Step time, and energy per sample, against P, K and ranks, where runs differ in them. */
export function scalingCharts(runs: readonly RunRecord[]): Maker[] {
  const axes = [
    { label: 'blocks P', of: ({ config }: RunRecord) => config.settings.blocks },
    { label: 'ranks', of: ({ config }: RunRecord) => config.settings.ranks },
    {
      label: 'ghosts K',
      of: ({ config: { settings } }: RunRecord) =>
        exchangesGhosts(settings.strategy) && !settings.layerGhosts ? settings.ghosts : null,
    },
  ];
  const values = [
    {
      title: 'Step time',
      axis: { label: 'step time, median', unit: 's' },
      of: ({ end }: RunRecord) => end?.medianStepTimeS ?? null,
    },
    {
      title: 'Energy per sample',
      axis: { label: 'energy per sample', unit: 'J' },
      of: ({ energy }: RunRecord) => energy?.perSampleJ ?? null,
    },
  ];
  return axes.flatMap(({ label, of }) => {
    const differ = new Set(runs.map(of).filter((value) => value !== null)).size > 1;
    if (!differ) return [];
    return values.flatMap((value): Maker[] => {
      const known = runs.filter((run) => of(run) !== null && value.of(run) !== null);
      if (known.length < 2) return [];
      const isEnergy = value.axis.unit === 'J';
      const series = groupsOf(known, isEnergy, label).map(([name, members]): Series => ({
        label: name,
        modelled: isEnergy && members.every(({ energy }) => energy?.obtained === 'modelled'),
        points: members.map((run) => ({
          x: of(run) ?? 0,
          y: value.of(run),
          note: run.name,
        })),
      }));
      const word = isEnergy && series.some(({ modelled }) => modelled) ? ' (modelled)' : '';
      const title = `${value.title}${word} against ${label}`;
      const x: Axis = { label, scale: 'log2' };
      const y: Axis = { ...value.axis, fromZero: true };
      return [(width) => scatterChart({ title, width, x, y, series })];
    });
  });
}

/** Runs that differ in the axis alone belong together; modelled and measured joules do not. */
function groupsOf(runs: readonly RunRecord[], isEnergy: boolean, axis: string) {
  const groups = new Map<string, RunRecord[]>();
  for (const run of runs) {
    const { strategy, width, blocks } = run.config.settings;
    const split = [
      ...(axis === 'blocks P' ? [] : [`P ${blocks}`]),
      ...(axis === 'ghosts K' || !exchangesGhosts(strategy)
        ? []
        : [`K ${formatGhosts(run.config.settings)}`]),
    ];
    const obtained = isEnergy ? (run.energy?.obtained ?? '') : '';
    const name = [strategy, `N ${width}`, ...split].join(', ');
    const key = obtained === 'modelled' ? `${name} (modelled)` : name;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups];
}
