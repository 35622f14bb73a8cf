import {
  formatCount,
  formatDuration,
  formatLoss,
  formatPercent,
  formatSi,
} from '../base/format.js';
import type { RunData, RunState } from './run-data.js';

/** A run's figures in words, a column each; `value` sorts. */
export interface RunColumn {
  readonly title: string;
  readonly text: (run: RunData) => string;
  readonly value: (run: RunData) => number | string | null;
  /** Whether less is better; null: neither is. */
  readonly lessIsBetter: boolean | null;
}

const STATES: Readonly<Record<RunState, string>> = {
  running: 'running',
  finished: 'finished',
  'target-loss': 'target reached',
  'early-stopping': 'stopped early',
  diverged: 'diverged',
  interrupted: 'interrupted',
  dead: 'dead',
  unended: 'no end: running or dead',
};

/** What the column `data` says, and where a run is. */
const NO_SETTINGS: ReadonlySet<string> = new Set(['out', 'data', 'loss']);

/** How a run stands, in words. */
export function stateText({ state }: RunData): string {
  return STATES[state];
}

const column = (
  title: string,
  read: (run: RunData) => number | null,
  format: (value: number, run: RunData) => string,
  lessIsBetter: boolean | null = null,
): RunColumn => ({
  title,
  value: read,
  text: (run) => {
    const value = read(run);
    return value === null ? '–' : format(value, run);
  },
  lessIsBetter,
});

const si = (unit: string) => (value: number) => formatSi(value, unit);
/** `~` stands before what is modelled; the table says so below. */
const joules = (value: number, { figures }: RunData) =>
  `${figures.obtained === 'modelled' ? '~' : ''}${formatSi(value, 'J')}`;

/** The columns of a table of runs. */
export const RUN_COLUMNS: readonly RunColumn[] = [
  {
    title: 'run',
    text: ({ name }) => name,
    value: ({ name }) => name,
    lessIsBetter: null,
  },
  { title: 'state', text: stateText, value: stateText, lessIsBetter: null },
  {
    title: 'network',
    text: ({ network }) => network,
    value: ({ network }) => network,
    lessIsBetter: null,
  },
  {
    title: 'data',
    text: ({ group }) => group,
    value: ({ group }) => group,
    lessIsBetter: null,
  },
  {
    title: 'steps',
    text: ({ figures: { step, steps } }) =>
      steps === null || steps === step
        ? formatCount(step)
        : `${formatCount(step)} of ${formatCount(steps)}`,
    value: ({ figures }) => figures.step,
    lessIsBetter: null,
  },
  column('loss', ({ figures }) => figures.loss, formatLoss, true),
  column('validation loss', ({ figures }) => figures.validationLoss, formatLoss, true),
  column(
    'accuracy',
    ({ figures }) => figures.accuracy,
    (share) => formatPercent(share),
    false,
  ),
  column('step time', ({ figures }) => figures.stepTimeS, formatDuration, true),
  column('energy per step', ({ figures }) => figures.perStepJ, joules, true),
  column('energy', ({ figures }) => figures.energyJ, joules, true),
  column('samples/s', ({ figures }) => figures.samplesPerS, si(''), false),
  column('parameters', ({ figures }) => figures.parameters, si('')),
  {
    title: 'ranks',
    text: ({ figures: { ranks, replicas } }) =>
      ranks === null ? '–' : (replicas ?? 1) === 1 ? `${ranks}` : `${replicas} × ${ranks}`,
    value: ({ figures }) => figures.ranks,
    lessIsBetter: null,
  },
  column('FLOPs per rank', ({ figures }) => figures.flopsPerStep, si('FLOP'), true),
  column('received', ({ figures }) => figures.receivedBytesPerStep, si('B'), true),
];

/** Columns that say something of at least one run; the data where they differ. */
export function usedColumns(runs: readonly RunData[]): RunColumn[] {
  const hasSeveral = new Set(runs.map(({ group }) => group)).size > 1;
  return RUN_COLUMNS.filter(
    ({ title, text }) => (title !== 'data' || hasSeveral) && runs.some((run) => text(run) !== '–'),
  );
}

/** Settings in which runs differ, by name, but for their data and loss. */
export function differingSettings(runs: readonly RunData[]): string[] {
  const names = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))];
  return names.filter(
    (name) =>
      !NO_SETTINGS.has(name) && new Set(runs.map(({ settings }) => settings[name])).size > 1,
  );
}

/** Said below a table with modelled joules; empty where none are. */
export function modelledRemark(runs: readonly RunData[]): string {
  return runs.some(({ figures }) => figures.obtained === 'modelled' && figures.energyJ !== null)
    ? '~ modelled: computed from CPU time and constants, not measured.'
    : '';
}
