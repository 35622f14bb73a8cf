import { stripVTControlCharacters } from 'node:util';

/** Columns that text takes on a terminal, escape sequences left out. */
export function visibleWidth(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}

/**
 * Lines of a table: the first column to the left, the others to the right, a rule below the
 * header.
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const widths = header.map((title, column) =>
    Math.max(visibleWidth(title), ...rows.map((row) => visibleWidth(row[column] ?? ''))),
  );
  const line = (cells: readonly string[]) =>
    widths
      .map((width, column) => pad(cells[column] ?? '', width, column > 0))
      .join('   ')
      .trimEnd();
  return [line(header), widths.map((width) => '─'.repeat(width)).join('───'), ...rows.map(line)];
}

/** Lines of names and values, the values below one another. */
export function formatPairs(
  pairs: readonly (readonly [string, string])[],
  indent = '  ',
): string[] {
  const width = Math.max(0, ...pairs.map(([name]) => visibleWidth(name)));
  return pairs.map(([name, value]) => `${indent}${pad(name, width, false)}  ${value}`.trimEnd());
}

/** Cuts a line that has no escape sequences to a terminal's width. */
export function fitLine(text: string, columns: number): string {
  const characters = Array.from(text);
  return characters.length <= columns ? text : `${characters.slice(0, columns - 1).join('')}…`;
}

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - visibleWidth(text)));
  return right ? space + text : text + space;
}
