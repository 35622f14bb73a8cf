import { plural } from '../base/format.js';
import type { RunData } from '../runs/run-data.js';
import { modelledRemark, usedColumns } from '../runs/run-table.js';
import { describeFigure, type Figure } from './figure.js';
import type { PageData } from './page-data.js';
import { bestRuns, groupRuns, runFigures } from './run-charts.js';

/** What the page of some runs shows. @param notes on folders that could not be read */
export function runsPage(runs: readonly RunData[], notes: readonly string[]): PageData {
  const [first] = runs;
  const title = runs.length === 1 && first ? `Run ${first.name}` : plural(runs.length, 'run');
  const none = { lead: null, about: [], tables: [], figures: [], live: false };
  return { title, notes, runs, ...none };
}

/** The figures of some runs as the page shows them at first, in its order. */
export function initialFigures(runs: readonly RunData[]): Figure[] {
  const selected = [...groupRuns(runs).values()].flatMap(bestRuns);
  const groups = runFigures(runs, { against: 'step', smoothing: 0, selected, apart: false });
  return groups.flatMap(({ figures }) => figures);
}

/** Runs as Markdown: a table, what has to be known of it, and what each figure says. */
export function runsMarkdown(runs: readonly RunData[], notes: readonly string[]): string {
  const columns = usedColumns(runs);
  const escape = (text: string) => text.replaceAll(/[\\|<>*_`]/g, String.raw`\$&`);
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const lines = [
    row(columns.map(({ title }) => title)),
    row(columns.map((_, i) => (i < 3 ? '---' : '---:'))),
    ...runs.map((run) => row(columns.map(({ text }) => escape(text(run))))),
    '',
    'Step times and joules of a step are of steady steps. ' + modelledRemark(runs),
    ...[...notes, ...runs.flatMap((run) => run.notes.map((note) => `${run.name}: ${note}`))].map(
      (note) => `\n- ${escape(note)}`,
    ),
    ...initialFigures(runs).map(
      (figure) => `\n**${escape(figure.title)}.** ${escape(describeFigure(figure))}`,
    ),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}
