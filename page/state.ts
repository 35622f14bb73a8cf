import { computed, signal } from '@preact/signals';
import type { PageData } from '../src/report/page-data.js';
import { type CurveOptions, MOST_SELECTED } from '../src/report/run-charts.js';
import type { RunData } from '../src/runs/run-data.js';

const text = document.querySelector('#data')?.textContent ?? '';
export const page = signal(JSON.parse(text) as PageData);
/** What stands between this page and the server that feeds it; empty where there is none. */
export const connection = signal('');
export const against = signal<CurveOptions['against']>('step');
export const smoothing = signal(0);
export const search = signal('');
/** null: nobody has chosen. */
export const chosen = signal<readonly string[] | null>(null);

export const runs = computed(() => page.value.runs);

function result({ figures }: RunData): number {
  return figures.validationLoss ?? figures.loss ?? Infinity;
}

/** Names of the runs that have a color: those chosen, else the best on each data. */
export const selected = computed((): readonly string[] => {
  const known = new Set(runs.value.map(({ name }) => name));
  if (chosen.value !== null) return chosen.value.filter((name) => known.has(name));
  if (runs.value.length <= MOST_SELECTED) return [...known];
  const places = new Map<string, number>();
  const best = runs.value
    .toSorted((a, b) => result(a) - result(b))
    .map((run) => {
      const place = places.get(run.group) ?? 0;
      places.set(run.group, place + 1);
      return { name: run.name, place };
    })
    .toSorted((a, b) => a.place - b.place);
  return best.slice(0, MOST_SELECTED).map(({ name }) => name);
});

/** Adds a run to the chosen ones, in place of the first where they are many, or takes it away. */
export function toggle(name: string): void {
  const now = selected.value;
  chosen.value = now.includes(name)
    ? now.filter((each) => each !== name)
    : [...now.slice(now.length < MOST_SELECTED ? 0 : 1), name];
}
