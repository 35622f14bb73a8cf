import { stripVTControlCharacters } from 'node:util';

/** Spaces between the columns of a table, and where there is little room. */
const [GAP, NARROW_GAP] = [3, 2];
/** Values beside their names are not wrapped into less room than this. */
const LEAST_VALUE = 20;

/** Columns that text takes on a terminal, escape sequences left out. */
export function visibleWidth(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}

/**
 * Lines of a table: the first column to the left, the others to the right, a rule below the
 * header. Where it is wider than `width`, long titles take more lines first; columns that still
 * have no room follow below, beside the first column again.
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  width = Number.POSITIVE_INFINITY,
): string[] {
  const columns = header.map((title, i): Column => {
    const cells = rows.map((row) => row[i] ?? '');
    return { titles: [title], cells, width: widest([title, ...cells]), right: i > 0 };
  });
  if (widthOf(columns, GAP) <= width) return block(columns, GAP);
  const narrow = columns.map((column) => {
    const [title = ''] = column.titles;
    const least = Math.max(widest(title.split(' ')), widest(column.cells));
    return { ...column, titles: wrapText(title, least), width: least };
  });
  const [first, ...others] = narrow;
  if (first === undefined) return [];
  const blocks: Column[][] = [];
  for (const column of others) {
    const last = blocks.at(-1);
    if (last !== undefined && widthOf([...last, column], NARROW_GAP) <= width) last.push(column);
    else blocks.push([first, column]);
  }
  return blocks.flatMap((each, i) => [...(i === 0 ? [] : ['']), ...block(each, NARROW_GAP)]);
}

interface Column {
  /** The title, a line each. */
  readonly titles: readonly string[];
  readonly cells: readonly string[];
  readonly width: number;
  readonly right: boolean;
}

function widthOf(columns: readonly Column[], gap: number): number {
  return columns.reduce((sum, { width }) => sum + width, gap * (columns.length - 1));
}

function block(columns: readonly Column[], gap: number): string[] {
  const line = (read: (column: Column) => string | undefined) =>
    columns
      .map((column) => pad(read(column) ?? '', column.width, column.right))
      .join(' '.repeat(gap))
      .trimEnd();
  const height = Math.max(...columns.map(({ titles }) => titles.length));
  const rows = columns[0]?.cells ?? [];
  return [
    ...Array.from({ length: height }, (_, i) =>
      line(({ titles }) => titles[i - height + titles.length]),
    ),
    '─'.repeat(widthOf(columns, gap)),
    ...rows.map((_, i) => line(({ cells }) => cells[i])),
  ];
}

/** Lines of names and values, the values below one another and wrapped to `width`. */
export function formatPairs(
  pairs: readonly (readonly [string, string])[],
  { indent = '', width = Number.POSITIVE_INFINITY }: { indent?: string; width?: number } = {},
): string[] {
  const names = widest(pairs.map(([name]) => name));
  const room = Math.max(LEAST_VALUE, width - indent.length - names - 2);
  return pairs.flatMap(([name, value]) =>
    wrapText(value, room).map((line, i) =>
      `${indent}${pad(i === 0 ? name : '', names, false)}  ${line}`.trimEnd(),
    ),
  );
}

/** Lines of at most `width` columns, broken at spaces; a longer word has a line of its own. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line: string | null = null;
  for (const word of text.split(' ')) {
    const longer: string = line === null ? word : `${line} ${word}`;
    if (line !== null && visibleWidth(longer) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line ?? ''];
}

/** Paragraphs filled to `width`; those with indented lines keep their lines. */
export function fillParagraphs(text: string, width: number): string {
  const fill = (paragraph: string) =>
    /^ /m.test(paragraph) ? [paragraph] : wrapText(paragraph.replaceAll('\n', ' '), width);
  return text
    .split('\n\n')
    .map((paragraph) => fill(paragraph).join('\n'))
    .join('\n\n');
}

/** Cuts a line that has no escape sequences to a terminal's width. */
export function fitLine(text: string, columns: number): string {
  const characters = Array.from(text);
  return characters.length <= columns ? text : `${characters.slice(0, columns - 1).join('')}…`;
}

function widest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map(visibleWidth));
}

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - visibleWidth(text)));
  return right ? space + text : text + space;
}
