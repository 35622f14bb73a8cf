import { formatDuration } from '../base/format.js';
import { PHASES } from '../base/phases.js';
import type { RunData } from '../runs/run-data.js';
import type { Bar, Figure } from './figure.js';
import { timelineFigures } from './timeline-chart.js';

/** Runs whose ranks are shown. */
const MOST_RUNS = 4;
/** Ranks that have a bar each. */
const MOST_RANKS = 16;

/** Ranks with the slowest, that others wait for, named; where they are many those that wait least. */
function rankBars(timesS: readonly (readonly number[])[], waiting: number) {
  const waitOf = (times: readonly number[]) => times[waiting] ?? 0;
  const ranks = timesS.map((times, rank) => ({ times, rank }));
  const bySpeed = ranks.toSorted((a, b) => waitOf(a.times) - waitOf(b.times));
  const [slowest] = bySpeed;
  const lagS = waitOf(bySpeed.at(-1)?.times ?? []) - waitOf(slowest?.times ?? []);
  const shown = bySpeed.slice(0, MOST_RANKS).toSorted((a, b) => a.rank - b.rank);
  return {
    bars: shown.map(({ times, rank }): Bar => {
      const lag = rank === slowest?.rank ? `, slowest by ${formatDuration(lagS)}` : '';
      return { label: `rank ${rank}${lag}`, values: times };
    }),
    more: ranks.length > MOST_RANKS ? `, the slowest ${MOST_RANKS} of ${ranks.length}` : '',
  };
}

/** What the bars of a figure are along. */
interface Axis {
  readonly axis: string;
  readonly unit: string;
}

/** Where time and joules of a steady step go. */
export function stepFigures(runs: readonly RunData[]): Figure[] {
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
  const add = (title: string, axis: Axis, parts: readonly string[], bars: Bar[]) => {
    if (bars.some(({ values }) => values.some((value) => value !== null))) {
      figures.push({ kind: 'bars', title, ...axis, parts, bars });
    }
  };
  const time: Axis = { axis: 'mean time of a step', unit: 's' };
  add(
    'Time of a steady step by phase, mean over ranks',
    time,
    PHASES,
    byPhase((one) => one.timeS),
  );
  const energy: Axis = { axis: 'energy of a step', unit: 'J' };
  add('Energy of a steady step by phase', energy, PHASES, energies);
  add(
    'Communication of rank 0: hidden behind computing, and exposed',
    time,
    ['hidden', 'exposed', 'waiting for data'],
    runs.map(({ name, communication: { hiddenS, exposedS, dataS } }) => ({
      label: name,
      values: [hiddenS, exposedS, dataS],
    })),
  );
  for (const run of runs.slice(0, MOST_RUNS)) {
    const { name, rankTimesS, rankWaitingS } = run;
    if (rankTimesS.length > 1) {
      const { bars, more } = rankBars(rankTimesS, PHASES.indexOf('waiting'));
      add(`Ranks of ${name}: a steady step by phase${more}`, time, PHASES, bars);
    } else if (rankWaitingS.length > 1) {
      // Phases are known at the end only.
      const stepTimeS = run.steps.stepTimeS.at(-1) ?? 0;
      const { bars, more } = rankBars(
        rankWaitingS.map((waitS) => [Math.max(0, stepTimeS - waitS), waitS]),
        1,
      );
      add(`Ranks of ${name}: the newest step${more}`, time, ['busy', 'waiting'], bars);
    }
  }
  return [...figures, ...runs.slice(0, MOST_RUNS).flatMap(timelineFigures)];
}

/** Bytes of rank 0, by what they are for. */
export function memoryFigures(runs: readonly RunData[]): Figure[] {
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
