import { useState } from 'preact/hooks';
import { formatDigits, formatRatio, plural } from '../src/base/format.js';
import type { RunData } from '../src/runs/run-data.js';
import {
  differingSettings,
  modelledRemark,
  type RunColumn,
  usedColumns,
} from '../src/runs/run-table.js';
import { found, groupedBy, runs, search, selected, shownData, toggle } from './state.js';
import { TextTable } from './text-table.js';

const LEFT: ReadonlySet<string> = new Set(['run', 'state', 'network', 'data']);
/** Columns of settings that differ; more are in the runs' own settings. */
const MOST_SETTINGS = 8;
/** Rows of groups that are open at first, when all runs are no more. */
const MOST_OPEN = 12;

function settingColumn(title: string): RunColumn {
  const value = ({ settings }: RunData) => {
    const text = settings[title] ?? '–';
    const number = Number(text);
    return Number.isNaN(number) ? text : number;
  };
  // Whole numbers, such as seeds, as they are; a rate of a sweep to four digits.
  const text = (run: RunData) => {
    const known = value(run);
    return typeof known === 'string' || Number.isInteger(known)
      ? (run.settings[title] ?? '–')
      : formatDigits(known);
  };
  return { title, text, value, lessIsBetter: null };
}

function isComparable(members: readonly RunData[]): boolean {
  return new Set(members.map(({ group }) => group)).size === 1;
}

/** The best value of a column, where one is better than another. */
function bestOf({ lessIsBetter, value }: RunColumn, shown: readonly RunData[]): number | null {
  const known = shown.map(value).filter((each) => typeof each === 'number');
  if (lessIsBetter === null || !isComparable(shown) || new Set(known).size < 2) return null;
  return lessIsBetter ? Math.min(...known) : Math.max(...known);
}

interface Sorted {
  readonly title: string;
  readonly down: boolean;
}

function sortRuns(shown: readonly RunData[], columns: readonly RunColumn[], by: Sorted | null) {
  const column = columns.find(({ title }) => title === by?.title);
  if (column === undefined) return [...shown];
  const order = (run: RunData) => column.value(run) ?? Infinity;
  const sign = by?.down ? -1 : 1;
  return shown.toSorted((a, b) => {
    const [x, y] = [order(a), order(b)];
    return sign * (typeof x === 'string' ? x.localeCompare(String(y)) : x - Number(y));
  });
}

/** Runs with their figures and the settings that differ: sorted, searched, grouped, chosen. */
export function RunsTable() {
  const [sorted, setSorted] = useState<Sorted | null>(null);
  const all = runs.value;
  const settings = all.length > 1 ? differingSettings(all) : [];
  const columns = [
    ...usedColumns(all),
    ...settings.slice(0, MOST_SETTINGS).map((title) => settingColumn(title)),
  ];
  const shown = sortRuns(found.value, columns, sorted);
  const best = columns.map((column) => bestOf(column, shown));
  const names = selected.value;
  const row = (run: RunData) => (
    <tr key={run.folder}>
      {columns.map((column, i) => cell(run, column, i, best[i] ?? null, names))}
    </tr>
  );
  return (
    <>
      {all.length > 1 && <TableControls settings={settings} count={shown.length} />}
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
          {groupedBy.value === '' ? (
            <tbody>{shown.map(row)}</tbody>
          ) : (
            groupsOf(shown, groupedBy.value).map(([value, members]) => (
              <Group
                key={`${groupedBy.value}=${value}`}
                title={`${groupedBy.value} ${value}`}
                members={members}
                columns={columns}
                opened={shown.length <= MOST_OPEN}
                row={row}
              />
            ))
          )}
        </table>
      </div>
      <p class="soft">{modelledRemark(all)}</p>
      <Selection shown={names.flatMap((name) => all.filter((run) => run.name === name))} />
    </>
  );
}

function TableControls({ settings, count }: { settings: readonly string[]; count: number }) {
  const all = runs.value;
  // What differs in every run makes no groups.
  const choices = settings.filter((name) => groupsOf(all, name).length < all.length);
  const several = !isComparable(all);
  return (
    <p class="table-controls">
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
      </label>
      <label>
        Group by{' '}
        <select
          value={groupedBy.value}
          onChange={(event) => {
            groupedBy.value = event.currentTarget.value;
          }}
        >
          <option value="">nothing</option>
          {several && <option value="data">data</option>}
          {choices.map((name) => (
            <option value={name}>{name}</option>
          ))}
        </select>
      </label>
      <span class="soft">
        {count} of {all.length}; {selected.value.length} in color
      </span>
    </p>
  );
}

/** Runs by the value of a setting, or by their data; numbers in their order. */
function groupsOf(shown: readonly RunData[], by: string): [value: string, members: RunData[]][] {
  const groups = new Map<string, RunData[]>();
  for (const run of shown) {
    const value = by === 'data' ? run.group : (run.settings[by] ?? '–');
    groups.set(value, [...(groups.get(value) ?? []), run]);
  }
  return [...groups].toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
}

interface GroupProps {
  readonly title: string;
  readonly members: readonly RunData[];
  readonly columns: readonly RunColumn[];
  readonly opened: boolean;
  readonly row: (run: RunData) => preact.JSX.Element;
}

/** Rows that can be closed, below one with the medians of theirs: of runs on the same data. */
function Group({ title, members, columns, opened, row }: GroupProps) {
  const [open, setOpen] = useState(opened);
  const isMixed = !isComparable(members);
  const known = isMixed ? members.filter(({ group }) => group === shownData.value) : members;
  const remark = `${plural(members.length, 'run')}, medians${isMixed ? ` on ${shownData.value}` : ''}`;
  return (
    <tbody>
      <tr class="group">
        <th scope="rowgroup">
          <button type="button" class="plain" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? '▾' : '▸'} {title}
          </button>{' '}
          <span class="soft">{remark}</span>
        </th>
        {columns.slice(1).map((column) => (
          <td class={LEFT.has(column.title) ? 'left' : ''}>{medianText(column, known)}</td>
        ))}
      </tr>
      {open && members.map(row)}
    </tbody>
  );
}

/** Of numbers the median, the lower of two; of words what all have in common. */
function medianText(column: RunColumn, members: readonly RunData[]): string {
  const known = members.filter((run) => typeof column.value(run) === 'number');
  if (known.length === 0) {
    const [text = '', ...others] = new Set(members.map(column.text));
    return others.length === 0 ? text : '';
  }
  const order = known.toSorted((a, b) => Number(column.value(a)) - Number(column.value(b)));
  const middle = order[(order.length - 1) >> 1];
  return middle === undefined ? '' : column.text(middle);
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
          <input type="checkbox" checked={at >= 0} onChange={() => toggle(run)} />
          <span class="swatch" style={{ background: color }} />
          <span class="name">{text}</span>
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
