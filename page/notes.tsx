import type { RunData } from '../src/runs/run-data.js';

/** Lines that are open at first. */
const MOST_OPEN = 6;
const MOST_NAMES = 2;

/** What several runs have in common is said once. */
export function notesOf(runs: readonly RunData[]): string[] {
  const names = new Map<string, string[]>();
  for (const { name, notes } of runs) {
    for (const note of notes) names.set(note, [...(names.get(note) ?? []), name]);
  }
  return [...names].map(([note, all]) => {
    const more = all.length - MOST_NAMES;
    const those = more > 1 ? [...all.slice(0, MOST_NAMES), `${more} more`] : all;
    return `${those.join(', ')}: ${note}`;
  });
}

export function Notes({ notes }: { readonly notes: readonly string[] }) {
  if (notes.length === 0) return null;
  const isLong = notes.length > MOST_OPEN + 1;
  const [open, rest] = isLong ? [notes.slice(0, MOST_OPEN), notes.slice(MOST_OPEN)] : [notes, []];
  const list = (lines: readonly string[]) => (
    <ul>
      {lines.map((note) => (
        <li>{note}</li>
      ))}
    </ul>
  );
  return (
    <div class="notes">
      <strong>Notes</strong>
      {list(open)}
      {rest.length > 0 && (
        <details>
          <summary>{rest.length} more</summary>
          {list(rest)}
        </details>
      )}
    </div>
  );
}
