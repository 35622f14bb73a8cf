import { computed, signal } from '@preact/signals';
import type { PageData } from '../src/report/page-data.js';
import type { CurveOptions } from '../src/report/curves.js';
import { bestRuns, groupRuns, MOST_SELECTED } from '../src/report/run-charts.js';
import type { RunData } from '../src/runs/run-data.js';
import { stateText } from '../src/runs/run-table.js';

const text = document.querySelector('#data')?.textContent ?? '';
export const page = signal(JSON.parse(text) as PageData);
/** What stands between this page and the server that feeds it; empty where there is none. */
export const connection = signal('');
export const against = signal<CurveOptions['against']>('step');
export const smoothing = signal(0);
/** Whether each run has a panel of its own. */
export const apart = signal(false);
export const search = signal('');
/** A setting, or `data`; empty: rows are not grouped. */
export const groupedBy = signal('');

export const runs = computed(() => page.value.runs);
/** By data and loss. */
export const runsByData = computed(() => groupRuns(runs.value));

const chosenData = signal('');
/** The data and loss whose runs are in the figures. */
export const shownData = computed(() =>
  runsByData.value.has(chosenData.value) ? chosenData.value : (runs.value[0]?.group ?? ''),
);

/** Names by data and loss, where somebody has chosen. */
const chosen = signal<ReadonlyMap<string, readonly string[]>>(new Map());

function selectedOf(data: string): readonly string[] {
  const members = runsByData.value.get(data) ?? [];
  const names = chosen.value.get(data);
  if (names === undefined) return bestRuns(members);
  return names.filter((name) => members.some((run) => run.name === name));
}

/** Names of the runs that have a color: those chosen, else the best. */
export const selected = computed(() => selectedOf(shownData.value));

export const found = computed((): readonly RunData[] => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length === 0 ? runs.value : runs.value.filter((run) => matches(run, words));
});

function matches(run: RunData, words: readonly string[]): boolean {
  const settings = Object.entries(run.settings).map(([key, value]) => `${key}=${value}`);
  const all = [run.name, run.network, stateText(run), run.group, ...settings]
    .join(' ')
    .toLowerCase();
  return words.every((word) => all.includes(word));
}

export function showData(data: string): void {
  chosenData.value = data;
}

/** Adds a run to the chosen ones, in place of the first where they are many, or takes it away; its
 * data are shown. */
export function toggle({ name, group }: RunData): void {
  const isShown = group === shownData.value;
  const now = isShown || chosen.value.has(group) ? selectedOf(group) : [];
  const others = now.filter((each) => each !== name);
  const names =
    isShown && now.includes(name)
      ? others
      : [...others.slice(others.length < MOST_SELECTED ? 0 : 1), name];
  chosen.value = new Map([...chosen.value, [group, names]]);
  showData(group);
}
