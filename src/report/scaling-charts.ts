import type { RunData } from '../runs/run-data.js';
import type { Axis, Figure, Series } from './figure.js';

/** Settings that change no figure: where a run is written, what it logs. */
const NEUTRAL = new Set(['out', 'seed', 'logEvery', 'checkpointEvery', 'keepCheckpoints']);
const SCALED = [
  { key: 'blocks', label: 'blocks P' },
  { key: 'ranks', label: 'ranks' },
  { key: 'ghosts', label: 'ghosts K' },
] as const;

/** Step time and joules per sample against P, ranks and K; a curve joins runs that differ in that
 * alone. */
export function scalingFigures(runs: readonly RunData[]): Figure[] {
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
