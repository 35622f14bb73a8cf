import { useState } from 'preact/hooks';
import { formatRatio } from '../src/base/format.js';
import type { RunData } from '../src/runs/run-data.js';
import {
  differingSettings,
  modelledRemark,
  type RunColumn,
  stateText,
  usedColumns,
} from '../src/runs/run-table.js';
import { runs, search, selected, toggle } from './state.js';
import { TextTable } from './text-table.js';

const LEFT: ReadonlySet<string> = new Set(['run', 'state', 'network']);
/** Columns of settings that differ; more are in the runs' own settings. */
const MOST_SETTINGS = 8;

function settingColumn(title: string): RunColumn {
  const text = ({ settings }: RunData) => settings[title] ?? '–';
  const value = (run: RunData) => {
    const number = Number(run.settings[title]);
    return Number.isNaN(number) ? text(run) : number;
  };
  return { title, text, value, lessIsBetter: null };
}

function matches(run: RunData, words: readonly string[]): boolean {
  const settings = Object.entries(run.settings).map(([key, value]) => `${key}=${value}`);
  const all = [run.name, run.network, stateText(run), run.group, ...settings]
    .join(' ')
    .toLowerCase();
  return words.every((word) => all.includes(word));
}

/** The best value of a column, where one is better than another. */
function bestOf({ lessIsBetter, value }: RunColumn, shown: readonly RunData[]): number | null {
  const known = shown.map(value).filter((each) => typeof each === 'number');
  const isComparable = new Set(shown.map(({ group }) => group)).size === 1;
  if (lessIsBetter === null || !isComparable || new Set(known).size < 2) return null;
  return lessIsBetter ? Math.min(...known) : Math.max(...known);
}

/** Runs with their figures and the settings that differ: sorted, searched, chosen for colors. */
export function RunsTable() {
  const [sorted, setSorted] = useState<{ title: string; down: boolean } | null>(null);
  const all = runs.value;
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const settings = all.length > 1 ? differingSettings(all).slice(0, MOST_SETTINGS) : [];
  const columns = [...usedColumns(all), ...settings.map(settingColumn)];
  const shown = all.filter((run) => matches(run, words));
  const by = columns.find(({ title }) => title === sorted?.title);
  if (by !== undefined) {
    const order = (run: RunData) => by.value(run) ?? Infinity;
    const sign = sorted?.down ? -1 : 1;
    shown.sort((a, b) => {
      const [x, y] = [order(a), order(b)];
      return sign * (typeof x === 'string' ? x.localeCompare(String(y)) : x - Number(y));
    });
  }
  const best = columns.map((column) => bestOf(column, shown));
  const names = selected.value;
  return (
    <>
      {all.length > 1 && (
        <p>
          <label>
            Search runs and settings{' '}
            <input
              type="search"
              value={search.value}
              placeholder="phantom lr=0.01"
              onInput={(event) => {
                search.value = event.currentTarget.value;
              }}
            />
          </label>{' '}
          <span class="soft">
            {shown.length} of {all.length}; {names.length} in color
          </span>
        </p>
      )}
      <div class="scroll runs" tabIndex={0} role="region" aria-label="Runs">
        <table>
          <caption>Runs</caption>
          <thead>
            <tr>
              {columns.map(({ title }) => {
                const down = sorted?.title === title && sorted.down;
                const order = sorted?.title !== title ? 'none' : down ? 'descending' : 'ascending';
                return (
                  <th scope="col" aria-sort={order} class={LEFT.has(title) ? 'left' : ''}>
                    <button
                      type="button"
                      class="plain"
                      onClick={() => setSorted({ title, down: order === 'ascending' })}
                    >
                      {title}
                      {order === 'none' ? '' : down ? ' ↓' : ' ↑'}
                    </button>
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {shown.map((run) => (
              <tr key={run.folder}>
                {columns.map((column, i) => cell(run, column, i, best[i] ?? null, names))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="soft">{modelledRemark(all)}</p>
      <Selection shown={names.flatMap((name) => all.filter((run) => run.name === name))} />
    </>
  );
}

function cell(
  run: RunData,
  column: RunColumn,
  i: number,
  best: number | null,
  names: readonly string[],
) {
  const text = column.text(run);
  if (i === 0) {
    const at = names.indexOf(run.name);
    const color = at < 0 ? 'var(--line)' : `var(--s${at})`;
    return (
      <th scope="row">
        <label title={run.folder}>
          <input type="checkbox" checked={at >= 0} onChange={() => toggle(run.name)} />
          <span class="swatch" style={{ background: color }} />
          {text}
        </label>
      </th>
    );
  }
  if (column.title === 'state') {
    return (
      <td class="left">
        <span class={`state ${run.state}`}>{text}</span>
      </td>
    );
  }
  const isBest = best !== null && column.value(run) === best;
  return <td class={`${isBest ? 'best' : ''} ${LEFT.has(column.title) ? 'left' : ''}`}>{text}</td>;
}

/** The chosen runs side by side, each as a multiple of the first. */
function Selection({ shown }: { readonly shown: readonly RunData[] }) {
  const [first] = shown;
  if (first === undefined || shown.length < 2) return null;
  const rows = usedColumns(shown)
    .slice(1)
    .map((column) => [
      column.title,
      ...shown.map((run) => {
        const [a, b] = [column.value(first), column.value(run)];
        const isRatio = run !== first && typeof a === 'number' && typeof b === 'number' && a > 0;
        return column.text(run) + (isRatio ? ` (${formatRatio(b / a)})` : '');
      }),
    ]);
  const caption = `Runs in color, against ${first.name}`;
  return (
    <details>
      <summary>{caption}</summary>
      <TextTable caption={caption} head={['', ...shown.map(({ name }) => name)]} rows={rows} />
    </details>
  );
}
