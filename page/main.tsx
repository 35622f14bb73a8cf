import { render } from 'preact';
import { useMemo } from 'preact/hooks';
import { plural } from '../src/base/format.js';
import type { Figure } from '../src/report/figure.js';
import type { FigureGroup } from '../src/report/run-charts.js';
import { runFigures } from '../src/report/run-charts.js';
import type { CurveCache } from '../src/report/curves.js';
import { FigureView } from './figure-view.js';
import { follow } from './live.js';
import { Notes, notesOf } from './notes.js';
import { RunDetails } from './run-details.js';
import { RunsTable } from './runs-table.js';
import {
  against,
  apart,
  connection,
  found,
  page,
  runs,
  runsByData,
  selected,
  showData,
  shownData,
  smoothing,
} from './state.js';
import { TextTable } from './text-table.js';

function isApart(figure: Figure): boolean {
  return (figure.kind === 'lines' || figure.kind === 'dots') && figure.apart === true;
}

function Groups({ groups }: { readonly groups: readonly FigureGroup[] }) {
  return (
    <>
      {groups.map(({ title, figures }) => (
        <section key={title}>
          <h2>{title}</h2>
          <div class={figures.some(isApart) ? 'charts wide-charts' : 'charts'}>
            {figures.map((figure) => (
              <FigureView key={figure.title} figure={figure} />
            ))}
          </div>
        </section>
      ))}
    </>
  );
}

const CHOICES = ['step', 'time', 'energy'] as const;

function Controls() {
  return (
    <div class="controls">
      {runsByData.value.size > 1 && (
        <label>
          Data and loss
          <select value={shownData.value} onChange={(event) => showData(event.currentTarget.value)}>
            {[...runsByData.value].map(([name, members]) => (
              <option value={name}>
                {name} ({plural(members.length, 'run')})
              </option>
            ))}
          </select>
        </label>
      )}
      <fieldset>
        <legend>Curves against</legend>
        {CHOICES.map((choice) => (
          <label>
            <input
              type="radio"
              name="against"
              checked={against.value === choice}
              onChange={() => {
                against.value = choice;
              }}
            />
            {choice}
          </label>
        ))}
      </fieldset>
      <label>
        Smoothing
        <input
          type="range"
          min="0"
          max="0.98"
          step="0.02"
          value={smoothing.value}
          onInput={(event) => {
            smoothing.value = Number(event.currentTarget.value);
          }}
        />
        {smoothing.value === 0 ? 'none' : smoothing.value.toFixed(2)}
      </label>
      {runs.value.length > 1 && (
        <label>
          <input
            type="checkbox"
            checked={apart.value}
            onChange={(event) => {
              apart.value = event.currentTarget.checked;
            }}
          />
          A panel for each run
        </label>
      )}
    </div>
  );
}

function Runs() {
  const curves = useMemo((): CurveCache => new WeakMap(), []);
  const all = runs.value;
  const data = shownData.value;
  const names = selected.value;
  const options = { against: against.value, smoothing: smoothing.value, apart: apart.value };
  const shown = useMemo(
    () => found.value.filter(({ group }) => group === data),
    [found.value, data],
  );
  const groups = useMemo(
    () => runFigures(shown, { ...options, selected: names }, curves),
    [shown, ...Object.values(options), names],
  );
  if (all.length === 0) return <p>No run yet. Those that start in the folders will show here.</p>;
  return (
    <>
      <section>
        <h2>Runs</h2>
        <RunsTable />
      </section>
      <Controls />
      <Groups groups={groups} />
      <section class="closed">
        <h2>Runs in color: log, settings, where the numbers come from</h2>
        {all
          .filter(({ name, group }) => group === data && names.includes(name))
          .map((run) => (
            <RunDetails key={run.folder} run={run} />
          ))}
      </section>
    </>
  );
}

function Page() {
  const { title, lead, about, notes, tables, figures, live } = page.value;
  const remarks = [...notes, ...notesOf(runs.value)];
  return (
    <>
      <header>
        <h1>{title}</h1>
        {live && (
          <p class="soft" role="status">
            {connection.value}
          </p>
        )}
        {lead !== null && <p class="verdict">{lead.sentence}</p>}
      </header>
      <main>
        {lead?.figure && <FigureView figure={lead.figure} />}
        <Notes notes={remarks} />
        {about.length > 0 && (
          <dl>
            {about.map(([name, value]) => (
              <>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </>
            ))}
          </dl>
        )}
        {(live || runs.value.length > 0) && <Runs />}
        {tables.map(({ title: name, remark, head, rows }) => (
          <section>
            <h2>{name}</h2>
            <p>{remark}</p>
            <TextTable caption={name} head={head} rows={rows} />
          </section>
        ))}
        <Groups groups={figures} />
      </main>
      <footer>
        <p>
          Step times, phases and joules of a step are of steady steps: start-up, validation and
          checkpoints are left out. Dashed curves, hollow marks, stripes and ~ are modelled:
          computed from sizes and constants. What lies outside an axis is an arrow with its value.
        </p>
      </footer>
    </>
  );
}

const place = document.querySelector('#page');
if (place !== null) {
  document.title = page.value.title;
  place.replaceChildren();
  render(<Page />, place);
}
if (page.value.live) void follow();
