import { type Chart, type ChartText, DEFAULT_WIDTH, fitText, px, textWidth } from './chart.js';
import { type Axis, drawFrame, fits, type Frame } from './frame.js';
import { type EndLabel, endLabels } from './end-labels.js';
import { drawLegend } from './legend.js';
import { dashOf, shape } from './marks.js';
import { type Markup, markup } from './markup.js';
import { colourIndex } from './palette.js';
import { formatValue } from '../base/format.js';

/** A value of a series; `y` null where it is unknown: the curve has a gap there. */
export interface Point {
  readonly x: number;
  readonly y: number | null;
  /** Ends of its spread, drawn as a band or a bar. */
  readonly low?: number;
  readonly high?: number;
  /** Said of the point besides its numbers, such as its run. */
  readonly note?: string;
}

/** Points of one line or cloud, with its label. */
export interface Series {
  readonly label: string;
  readonly points: readonly Point[];
  /** Drawn hollow and dashed, and said in the label. */
  readonly modelled?: boolean;
  /** Index of the colour, shape and dash; the place in the list where nothing is said. */
  readonly look?: number;
}

export interface XyChart extends ChartText {
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

const WIDE = 480;
/** Points of a curve that are drawn; of more, the extremes of each part are kept. */
const MOST_POINTS = 400;
/** Up to so many points each has its mark. */
const MARKED_POINTS = 24;

/** Curves with their names at their right ends (above the drawing where it is narrow). */
export function lineChart(spec: XyChart): Chart {
  return xyChart(spec, true);
}

/** Marks: filled for what was measured, hollow for what a model computed. */
export function scatterChart(spec: XyChart): Chart {
  return xyChart(spec, false);
}

function xyChart(spec: XyChart, curves: boolean): Chart {
  const width = spec.width ?? DEFAULT_WIDTH;
  const series = spec.series.map((each, i) => placed(each, spec, i));
  const direct = curves && width >= WIDE && series.length > 0 && series.length <= 8;
  const names = series.map(({ label }) => fitText(label, width / 3));
  const margin = direct ? Math.max(...names.map(textWidth)) + 26 : 16;
  const legend = drawLegend(direct ? [] : series.map(legendEntry(curves)), width, 0);
  const shown = series.flatMap(({ points }) => points);
  const frame = drawFrame(
    spec,
    {
      x: shown.map(({ x }) => x),
      y: shown.flatMap(({ y, low, high }) => [y, low ?? y, high ?? y]),
    },
    { width, plotHeight: width >= WIDE ? 260 : 220, top: legend.height, margin },
  );
  const dropped = series.reduce((sum, { lost }) => sum + lost, 0);
  const remark =
    dropped === 0 ? [] : [`${dropped} values have no place on the axes and are not drawn`];
  const content = [
    ...frame.content,
    ...series.map((each) => (curves ? drawCurve(each, frame, spec) : drawMarks(each, frame, spec))),
    ...(direct ? endLabels(endsOf(series, names, frame), frame) : []),
    ...legend.content,
    ...(shown.length === 0
      ? [
          markup`<text class="middle soft" x="${px((frame.left + frame.right) / 2)}" y="${px((frame.top + frame.bottom) / 2)}">no values</text>`,
        ]
      : []),
    ...remark.map(
      (text) =>
        markup`<text class="soft" x="8" y="${px(frame.height + 10)}">${fitText(text, width - 16)}</text>`,
    ),
  ];
  return {
    title: spec.title,
    description: spec.description ?? [summary(spec), ...remark].join(' '),
    width,
    height: Math.ceil(frame.height) + (remark.length === 0 ? 0 : 20),
    content: markup`${content}`,
    table: table(spec),
  };
}

interface PlacedPoint extends Point {
  readonly y: number;
}

interface Placed {
  readonly label: string;
  readonly modelled: boolean;
  readonly look: number;
  /** Points that can be drawn, split where a value is unknown. */
  readonly parts: readonly (readonly PlacedPoint[])[];
  readonly points: readonly PlacedPoint[];
  /** Known values that the axes have no place for. */
  readonly lost: number;
}

function placed(series: Series, { x, y }: XyChart, index: number): Placed {
  const parts: PlacedPoint[][] = [[]];
  let lost = 0;
  for (const point of series.points) {
    if (point.y !== null && fits(x, point.x) && fits(y, point.y)) {
      parts.at(-1)?.push(withSpread(point, point.y, y));
      continue;
    }
    if (point.y !== null) lost++;
    if (parts.at(-1)?.length !== 0) parts.push([]);
  }
  const kept = parts.filter((part) => part.length > 0);
  const label = namedModelled(series);
  const look = series.look ?? index;
  return {
    label,
    modelled: series.modelled === true,
    look,
    parts: kept,
    points: kept.flat(),
    lost,
  };
}

/** The spread is left out where the axis has no place for one of its ends. */
function withSpread({ x, note, low, high }: Point, y: number, axis: Axis): PlacedPoint {
  const hasSpread = low !== undefined && high !== undefined && fits(axis, low) && fits(axis, high);
  const rest = note === undefined ? {} : { note };
  return { x, y, ...rest, ...(hasSpread ? { low, high } : {}) };
}

function namedModelled({ label, modelled }: Series): string {
  return modelled && !/modelled/i.test(label) ? `${label} (modelled)` : label;
}

function drawCurve(series: Placed, frame: Frame, spec: XyChart): Markup {
  const { look, parts, points } = series;
  const colour = colourIndex(look);
  const dash = dashOf(series);
  const curves = parts.map((part) => {
    const kept = thin(part);
    const path = kept.map(({ x, y }) => `${px(frame.x(x))},${px(frame.y(y))}`).join(' ');
    const values = kept
      .map(({ x, y }) => `${Number(x.toPrecision(6))},${Number(y.toPrecision(6))}`)
      .join(' ');
    return markup`${band(kept, frame, colour)}<polyline class="curve c${colour}" stroke-dasharray="${dash}" points="${path}" data-name="${series.label}" data-values="${values}"/>`;
  });
  const marked = points.length <= MARKED_POINTS ? points : points.slice(-1);
  return markup`<g>${curves}${marked.map((point) => mark(series, point, frame, spec))}</g>`;
}

/** The extremes of each of so many parts, in their order: a curve's shape stays. */
function thin(points: readonly PlacedPoint[]): readonly PlacedPoint[] {
  if (points.length <= MOST_POINTS) return points;
  const size = Math.ceil((2 * points.length) / MOST_POINTS);
  const kept = new Set<PlacedPoint | undefined>([points[0], points.at(-1)]);
  for (let from = 0; from < points.length; from += size) {
    const part = points.slice(from, from + size);
    kept.add(part.reduce((least, point) => (point.y < least.y ? point : least)));
    kept.add(part.reduce((most, point) => (point.y > most.y ? point : most)));
  }
  return points.filter((point) => kept.has(point));
}

function band(points: readonly PlacedPoint[], frame: Frame, colour: number): Markup | null {
  if (!points.some(({ low, high }) => low !== undefined && high !== undefined)) return null;
  const edge = (side: 'low' | 'high') =>
    points.map((point) => `${px(frame.x(point.x))},${px(frame.y(point[side] ?? point.y))}`);
  return markup`<polygon class="band f${colour}" points="${[...edge('high'), ...edge('low').toReversed()].join(' ')}"/>`;
}

function drawMarks(series: Placed, frame: Frame, spec: XyChart): Markup {
  return markup`<g>${series.points.map((point) => mark(series, point, frame, spec))}</g>`;
}

function mark(series: Placed, point: PlacedPoint, frame: Frame, { x, y }: XyChart): Markup {
  const [at, height] = [frame.x(point.x), frame.y(point.y)];
  const note = point.note === undefined ? '' : ` – ${point.note}`;
  const spread =
    point.low === undefined || point.high === undefined
      ? null
      : markup`<line class="spread c${colourIndex(series.look)}" x1="${px(at)}" x2="${px(at)}" y1="${px(frame.y(point.low))}" y2="${px(frame.y(point.high))}"/>`;
  return markup`<g><title>${series.label}: ${formatValue(point.y, y.unit ?? '')} at ${formatValue(point.x, x.unit ?? '')} (${x.label})${note}</title>${spread}${shape(series, at, height)}</g>`;
}

function legendEntry(curves: boolean) {
  return (series: Placed) => ({
    label: series.label,
    symbol: (x: number, y: number) => {
      const dash = dashOf(series);
      const line = markup`<line class="curve c${colourIndex(series.look)}" stroke-dasharray="${dash}" x1="${px(x - 12)}" x2="${px(x + 12)}" y1="${px(y)}" y2="${px(y)}"/>`;
      return markup`${curves ? line : null}${shape(series, x, y)}`;
    },
  });
}

function endsOf(series: readonly Placed[], names: readonly string[], frame: Frame): EndLabel[] {
  return series.flatMap(({ label, look, points }, i) => {
    const last = points.at(-1);
    if (last === undefined) return [];
    return [{ label, name: names[i] ?? '', look, x: frame.x(last.x), y: frame.y(last.y) }];
  });
}

function summary({ series, x, y }: XyChart): string {
  const parts = series.map((each) => {
    const known = each.points.filter((point): point is PlacedPoint => point.y !== null);
    const [first, last] = [known[0], known.at(-1)];
    if (first === undefined || last === undefined) return `${namedModelled(each)}: no values.`;
    const value = (point: PlacedPoint) =>
      `${formatValue(point.y, y.unit ?? '')} at ${formatValue(point.x, x.unit ?? '')}`;
    const range = first === last ? value(first) : `from ${value(first)} to ${value(last)}`;
    return `${namedModelled(each)}: ${range}.`;
  });
  return `${y.label} against ${x.label}. ${parts.join(' ')}`;
}

const TABLE_ROWS = 24;

function table({ series, x, y }: XyChart): Chart['table'] {
  const rows = series.flatMap((each) => {
    const stride = Math.ceil(each.points.length / TABLE_ROWS);
    const kept = each.points.filter((_, i) => i % stride === 0 || i === each.points.length - 1);
    return kept.map((point) => {
      const text = point.y === null ? 'unknown' : formatValue(point.y, y.unit ?? '');
      const spread =
        point.low === undefined || point.high === undefined
          ? ''
          : ` (${formatValue(point.low, y.unit ?? '')} to ${formatValue(point.high, y.unit ?? '')})`;
      return [namedModelled(each), formatValue(point.x, x.unit ?? ''), text + spread];
    });
  });
  return { head: ['series', x.label, y.label], rows };
}
