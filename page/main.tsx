import { render } from 'preact';
import { useMemo } from 'preact/hooks';
import type { FigureGroup } from '../src/report/run-charts.js';
import { runFigures } from '../src/report/run-charts.js';
import type { RunData } from '../src/runs/run-data.js';
import { FigureView } from './figure-view.js';
import { follow } from './live.js';
import { RunsTable } from './runs-table.js';
import { against, connection, page, runs, selected, smoothing } from './state.js';
import { TextTable } from './text-table.js';

function Notes({ notes }: { readonly notes: readonly string[] }) {
  if (notes.length === 0) return null;
  return (
    <div class="notes">
      <strong>Notes</strong>
      <ul>
        {notes.map((note) => (
          <li>{note}</li>
        ))}
      </ul>
    </div>
  );
}

function Groups({ groups }: { readonly groups: readonly FigureGroup[] }) {
  return (
    <>
      {groups.map(({ title, figures }) => (
        <section key={title}>
          <h2>{title}</h2>
          <div class="charts">
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
    </div>
  );
}

function Provenance({ run }: { readonly run: RunData }) {
  const settings = Object.entries(run.settings).map(([key, value]) => `${key} ${value}`);
  return (
    <details>
      <summary>{run.name}</summary>
      <dl>
        {[...run.facts, ['settings', settings.join(', ')] as const].map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
    </details>
  );
}

function Runs() {
  const all = runs.value;
  const options = {
    against: against.value,
    smoothing: smoothing.value,
    selected: selected.value,
  };
  const { selected: names, smoothing: keep } = options;
  const groups = useMemo(() => runFigures(all, options), [all, options.against, keep, names]);
  if (all.length === 0) return <p>No run yet. Those that start in the folders will show here.</p>;
  return (
    <>
      <section>
        <h2>Runs</h2>
        <RunsTable />
      </section>
      <Controls />
      <Groups groups={groups} />
      <section>
        <h2>Where the numbers come from</h2>
        {all.map((run) => (
          <Provenance key={run.folder} run={run} />
        ))}
      </section>
    </>
  );
}

function Page() {
  const { title, lead, about, notes, tables, figures, live } = page.value;
  const remarks = [
    ...notes,
    ...runs.value.flatMap((run) => run.notes.map((note) => `${run.name}: ${note}`)),
  ];
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
