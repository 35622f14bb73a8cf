import { formatValue } from '../base/format.js';

/** What an axis shows. */
export interface Axis {
  readonly label: string;
  /** SI unit of the values, shown with a prefix as needed; `%` for shares; none for counts. */
  readonly unit?: string;
  /** `linear` where nothing is said; `log2` marks powers of two. */
  readonly scale?: 'linear' | 'log' | 'log2';
  /** Whether the axis starts at zero, where it is linear. */
  readonly fromZero?: boolean;
  /** Whether it holds every value, also of a series that goes far beyond the others. */
  readonly whole?: boolean;
}

/** A value at a place; unknown is null. */
export interface Point {
  readonly x: number;
  readonly y: number | null;
  /** Ends of its spread. */
  readonly low?: number;
  readonly high?: number;
  /** Shown with the value. */
  readonly note?: string;
}

/** A curve, or marks of one kind. */
export interface Series {
  readonly label: string;
  readonly points: readonly Point[];
  /** Drawn dashed or hollow, and said in words. */
  readonly modelled?: boolean;
  /** Of the palette; in the order of the series where nothing is said, null: in the background. */
  readonly look?: number | null;
}

/** Curves over a common axis, or marks. */
export interface XyFigure {
  readonly kind: 'lines' | 'dots';
  readonly title: string;
  /** What it shows, for who does not see it; without it a summary of the numbers. */
  readonly description?: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Whether each series has a panel of its own, all with the same axes. */
  readonly apart?: boolean;
}

/** A bar of parts that lie one after another. */
export interface Bar {
  readonly label: string;
  /** One for each part, null where unknown. */
  readonly values: readonly (number | null)[];
  /** Hatched, and said in words. */
  readonly modelled?: boolean;
}

/** Horizontal bars, each under its name and with its total. */
export interface BarFigure {
  readonly kind: 'bars';
  readonly title: string;
  readonly description?: string;
  readonly axis: string;
  /** SI unit of the values; `%` for shares. */
  readonly unit: string;
  /** Names of the parts, from the left. */
  readonly parts: readonly string[];
  readonly bars: readonly Bar[];
}

/** A row of a timeline. */
export interface TimelineRow {
  readonly label: string;
  /** For each part its intervals: start, end, start, end, …, seconds. */
  readonly intervals: readonly (readonly number[])[];
}

/** What each row did when, from zero to the end of what is shown. */
export interface TimelineFigure {
  readonly kind: 'timeline';
  readonly title: string;
  readonly description?: string;
  readonly axis: string;
  readonly parts: readonly string[];
  /** The part that goes on beside others: a thin band above them, not counted in totals. */
  readonly beside: number;
  readonly rows: readonly TimelineRow[];
}

/** A chart as data: drawn to SVG in a page or a file, described in words, and listed as a table. */
export type Figure = XyFigure | BarFigure | TimelineFigure;

/** Rows of a series that a figure's table shows. */
const TABLE_ROWS = 24;

/** A figure's title as the name of a file, without its ending. */
export function fileNameOf({ title }: Figure): string {
  return title
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
}

/** A name that says where its values are modelled. */
export function nameOf({ label, modelled }: { label: string; modelled?: boolean }): string {
  return modelled && !/modelled/i.test(label) ? `${label} (modelled)` : label;
}

/** What is known of a bar, in all; null where nothing is. */
export function totalOf({ values }: Bar): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

/** How long each part of a timeline is in all, as bars. */
function totalsOf({ title, axis, parts, rows }: TimelineFigure): BarFigure {
  const lengthOf = (list: readonly number[]) =>
    list.reduce((sum, time, i) => sum + (i % 2 === 0 ? -time : time), 0);
  const bars = rows.map(({ label, intervals }) => ({ label, values: intervals.map(lengthOf) }));
  return { kind: 'bars', title, axis, unit: 's', parts, bars };
}

/** A figure in a sentence or more. */
export function describeFigure(figure: Figure): string {
  if (figure.description !== undefined) return figure.description;
  if (figure.kind === 'timeline') return describeFigure(totalsOf(figure));
  if (figure.kind === 'bars') {
    const { axis, bars, parts, unit } = figure;
    const inWords = (bar: Bar) => {
      const known = parts.flatMap((name, i) => {
        const value = bar.values[i] ?? null;
        return value === null ? [] : [`${name} ${formatValue(value, unit)}`];
      });
      return `${nameOf(bar)}: ${known.length === 0 ? 'not measured' : known.join(', ')}.`;
    };
    return `${axis}. ${bars.map(inWords).join(' ')}`;
  }
  const { x, y, series } = figure;
  const value = (point: Point) =>
    `${formatValue(point.y ?? Number.NaN, y.unit ?? '')} at ${formatValue(point.x, x.unit ?? '')}`;
  const inWords = (each: Series) => {
    const known = each.points.filter((point) => point.y !== null);
    const [first, last] = [known[0], known.at(-1)];
    if (first === undefined || last === undefined) return `${nameOf(each)}: no values.`;
    const range = first === last ? value(first) : `from ${value(first)} to ${value(last)}`;
    return `${nameOf(each)}: ${range}.`;
  };
  return `${y.label} against ${x.label}. ${series.map(inWords).join(' ')}`;
}

/** A figure's numbers, texts ready to show; of long curves some rows. */
export function tableOf(figure: Figure): { head: string[]; rows: string[][] } {
  if (figure.kind === 'timeline') {
    const { head, rows } = tableOf(totalsOf(figure));
    // A total would count twice what goes on beside something else.
    return { head: head.slice(0, -1), rows: rows.map((row) => row.slice(0, -1)) };
  }
  if (figure.kind === 'bars') {
    const { parts, bars, unit } = figure;
    const text = (value: number | null) =>
      value === null ? 'not measured' : formatValue(value, unit);
    return {
      head: ['', ...parts, 'total'],
      rows: bars.map((bar) => [
        nameOf(bar),
        ...parts.map((_, i) => text(bar.values[i] ?? null)),
        text(totalOf(bar)),
      ]),
    };
  }
  const { x, y, series } = figure;
  const text = (value: number) => formatValue(value, y.unit ?? '');
  const rows = series.flatMap((each) => {
    const stride = Math.ceil(each.points.length / TABLE_ROWS);
    const kept = each.points.filter((_, i) => i % stride === 0 || i === each.points.length - 1);
    return kept.map(({ x: at, y: value, low, high }) => [
      nameOf(each),
      formatValue(at, x.unit ?? ''),
      (value === null ? 'unknown' : text(value)) +
        (low === undefined || high === undefined ? '' : ` (${text(low)} to ${text(high)})`),
    ]);
  });
  return { head: ['series', x.label, y.label], rows };
}
