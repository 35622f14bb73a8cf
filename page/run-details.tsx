import { formatCount, formatDuration, plural } from '../src/base/format.js';
import type { RunData } from '../src/runs/run-data.js';
import { stateText } from '../src/runs/run-table.js';

/** What a run says of itself: how it stands, its settings and machine, its log. */
export function RunDetails({ run }: { readonly run: RunData }) {
  const settings = Object.entries(run.settings).map(([key, value]) => `${key} ${value}`);
  const { log, notes, name } = run;
  const warnings = log.filter(({ kind }) => kind === 'warning').length;
  const heading = [name, stateText(run), ...(warnings > 0 ? [plural(warnings, 'warning')] : [])];
  return (
    <details class="run">
      <summary>{heading.join(' · ')}</summary>
      <dl>
        {[...run.facts, ['settings', settings.join(', ')] as const].map(([title, value]) => (
          <>
            <dt>{title}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
      {notes.length > 0 && (
        <ul>
          {notes.map((note) => (
            <li>{note}</li>
          ))}
        </ul>
      )}
      <div class="scroll log" tabIndex={0} role="region" aria-label={`Log of ${name}`}>
        <table>
          <caption>Log of {name}</caption>
          <thead>
            <tr>
              <th scope="col">after step</th>
              <th scope="col">at</th>
              <th scope="col" class="left">
                log
              </th>
            </tr>
          </thead>
          <tbody>
            {log.map(({ step, elapsedS, kind, text }) => (
              <tr>
                <td>{formatCount(step)}</td>
                <td>{formatDuration(elapsedS)}</td>
                <td class={`left ${kind}`}>{kind === 'warning' ? `warning: ${text}` : text}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
