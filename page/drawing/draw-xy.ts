import * as Plot from '@observablehq/plot';
import { axisUnit, formatTick, formatValue } from '../../src/base/format.js';
import { fits, robustDomain } from '../../src/report/domain.js';
import {
  type Axis,
  describeFigure,
  nameOf,
  type Series,
  type XyFigure,
} from '../../src/report/figure.js';
import { thin } from '../../src/runs/thin.js';
import { type Canvas, colorOf, GREY, legend, type Mark, STYLE, symbolOf } from './draw-parts.js';

const MOST_POINTS = 480;
const MARKED_POINTS = 30;
const MARGIN_LEFT = 58;
const ARROW_ROW = 14;
/** Named at an edge. */
const MOST_ARROWS = 4;

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
  /** Changes where a value is unknown: the curve breaks there. */
  readonly part: string;
  readonly series: Series;
  readonly look: number | null;
  readonly note: string | undefined;
}

/** Curves or marks as an SVG element. */
export function drawXy(figure: XyFigure, { width, document, hover }: Canvas) {
  const { x: xAxis, y: yAxis, kind } = figure;
  const isLines = kind === 'lines';
  const looks = figure.series.map(({ look }, i) => (look === undefined ? i : look));
  const all = figure.series.map((series, i) => placed(figure, series, looks[i] ?? null));
  const x = unitOf(
    xAxis,
    all.flat().map((point) => point.x),
  );
  const domain = robustDomain(
    yAxis,
    all.map((points) => points.flatMap((p) => [p.low, p.y, p.high])),
  );
  const y = unitOf(yAxis, domain);
  const shown = all.map((points) => {
    if (!isLines) return points;
    const parts = [...new Set(points.map(({ part }) => part))];
    return parts.flatMap((part) =>
      thin(
        points.filter((point) => point.part === part),
        MOST_POINTS,
      ),
    );
  });
  const back = shown.flatMap((points) => points.filter(({ look }) => look === null));
  const front = shown.map((points) => points.filter(({ look }) => look !== null));
  // Where all is modelled an axis says so, else the names.
  const allModelled = figure.series.length > 0 && figure.series.every((each) => each.modelled);
  const keys = figure.series.flatMap((each, i) => {
    const look = looks[i] ?? null;
    if (look === null) return [];
    const dashed = each.modelled === true && isLines && !allModelled;
    const isMarked = !isLines || (shown[i]?.length ?? 0) <= MARKED_POINTS;
    return [
      {
        label: allModelled ? each.label : nameOf(each),
        color: colorOf(look),
        hollow: each.modelled === true,
        ...(isMarked ? { symbol: symbolOf(look) } : {}),
        ...(isLines ? { dashed } : {}),
      },
    ];
  });
  const key = legend(keys, width, 18);
  const [low, high] = domain;
  const inside = ({ y: value }: Placed) => value >= low && value <= high;
  const outside = shown.flatMap((points) => {
    const first = points.find((point) => !inside(point));
    return first === undefined ? [] : [{ ...first, up: first.y > high }];
  });
  const xs = shown.flat().map((point) => point.x);
  const middle = (Math.min(...xs) + Math.max(...xs)) / 2;
  const stroke = ({ look }: Placed) => colorOf(look);
  const at = { x: (p: Placed) => p.x / x.divisor, y: (p: Placed) => p.y / y.divisor };
  const curve = (points: readonly Placed[], options: object) =>
    Plot.line(points, {
      ...at,
      z: 'part',
      stroke,
      clip: true,
      strokeLinejoin: 'round',
      ...options,
    });
  const solid = front.flat().filter(({ series }) => allModelled || !series.modelled);
  const dashed = front.flat().filter(({ series }) => !allModelled && series.modelled);
  const marked = front.flatMap((points) =>
    !isLines || points.length <= MARKED_POINTS ? points : [],
  );
  const marks: Mark[] = [
    ...(isLines
      ? [
          curve(back, { strokeWidth: 1, strokeOpacity: 0.35 }),
          curve(solid, { strokeWidth: 2 }),
          curve(dashed, { strokeWidth: 2, strokeDasharray: '6 3' }),
        ]
      : []),
    Plot.ruleX(
      front.flat().filter((point) => point.low < point.high && inside(point)),
      {
        x: at.x,
        y1: (p: Placed) => Math.max(p.low, low) / y.divisor,
        y2: (p: Placed) => Math.min(p.high, high) / y.divisor,
        stroke,
        strokeOpacity: 0.6,
      },
    ),
    Plot.dot((isLines ? marked : [...back, ...front.flat()]).filter(inside), {
      ...at,
      r: isLines ? 3 : 5,
      symbol: ({ look }: Placed) => symbolOf(look ?? 0),
      stroke,
      strokeWidth: 2,
      fill: (point: Placed) => (point.series.modelled ? 'var(--page)' : stroke(point)),
    }),
    ...arrows(outside, domain, figure).map(({ point, text, row }) =>
      Plot.text([point], {
        x: at.x,
        y: (point.up ? high : low) / y.divisor,
        text: [text],
        fill: stroke,
        textAnchor: point.x > middle ? 'end' : 'start',
        dy: (point.up ? 8 : -8) + (point.up ? 1 : -1) * ARROW_ROW * row,
      }),
    ),
    ...(shown.flat().length === 0
      ? [Plot.text(['no values'], { frameAnchor: 'middle', fill: GREY })]
      : []),
    ...(hover
      ? [
          Plot.tip(
            [...front.flat(), ...back].filter(inside),
            Plot.pointer({
              ...at,
              title: (point: Placed) => textOf(point, figure),
              fill: 'var(--panel)',
              stroke: 'var(--line)',
              maxRadius: 60,
            }),
          ),
        ]
      : []),
    key.mark,
    ...key.places.flatMap(({ symbol, color, hollow, x: left, y: top }) =>
      symbol === undefined
        ? []
        : [
            Plot.dot([0], {
              frameAnchor: 'top-left',
              dx: left + 8 - MARGIN_LEFT,
              dy: top - key.height - 8,
              r: 4,
              symbol,
              stroke: color,
              strokeWidth: 2,
              fill: hollow ? 'var(--page)' : color,
            }),
          ],
    ),
  ];
  return Plot.plot({
    document,
    width,
    height: (width < 480 ? 220 : 270) + key.height,
    marginTop: key.height + 8,
    marginLeft: MARGIN_LEFT,
    marginRight: 24,
    marginBottom: 40,
    style: STYLE,
    ariaLabel: figure.title,
    ariaDescription: describeFigure(figure),
    symbol: { legend: false },
    x: {
      ...scaleOf(xAxis),
      label: titleOf(xAxis, x.name, allModelled && xAxis.unit === 'J'),
      tickFormat: formatTick,
      ticks: tickCount(xAxis, width / 90),
      nice: xAxis.fromZero ?? false,
      zero: xAxis.fromZero ?? false,
    },
    y: {
      ...scaleOf(yAxis),
      domain: [low / y.divisor, high / y.divisor],
      nice: (yAxis.scale ?? 'linear') === 'linear',
      label: titleOf(yAxis, y.name, allModelled && xAxis.unit !== 'J'),
      tickFormat: formatTick,
      ticks: tickCount(yAxis, 6),
      grid: true,
    },
    marks,
  });
}

interface Outside extends Placed {
  /** Above the axis, or below it. */
  readonly up: boolean;
}

/** What is outside, in rows from the edge; where they are many, the others are counted. */
function arrows(
  outside: readonly Outside[],
  [low, high]: readonly [number, number],
  { y }: XyFigure,
): { point: Outside; text: string; row: number }[] {
  const side = (up: boolean) => {
    const all = outside.filter((point) => point.up === up);
    const named = all.length > MOST_ARROWS ? all.slice(0, MOST_ARROWS - 1) : all;
    const arrow = up ? '▲' : '▼';
    const lines = named.map((point, row) => ({
      point,
      text: `${arrow} ${point.series.label}: ${formatValue(point.y, y.unit ?? '')}`,
      row,
    }));
    const [next] = all.slice(named.length);
    if (next === undefined) return lines;
    const edge = formatValue(up ? high : low, y.unit ?? '');
    const text = `${arrow} ${all.length - named.length} more beyond ${edge}`;
    return [...lines, { point: { ...next, look: null }, text, row: named.length }];
  };
  return [...side(true), ...side(false)];
}

function scaleOf({ scale = 'linear' }: Axis): Plot.ScaleOptions {
  if (scale === 'log2') return { type: 'log', base: 2 };
  return { type: scale };
}

function tickCount({ scale }: Axis, count: number): number {
  return scale === 'log2' ? Math.max(3, Math.min(count, 10)) : Math.max(3, count);
}

function unitOf(axis: Axis, values: readonly number[]) {
  if ((axis.scale ?? 'linear') !== 'linear' && (axis.unit ?? '') === '')
    return { divisor: 1, name: '' };
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return axisUnit(axis.unit ?? '', largest);
}

function titleOf({ label }: Axis, unit: string, modelled: boolean): string {
  return [label, ...(modelled ? ['modelled'] : []), ...(unit === '' ? [] : [unit])].join(', ');
}

function placed({ x, y }: XyFigure, series: Series, look: number | null): Placed[] {
  const points: Placed[] = [];
  let part = 0;
  for (const { x: at, y: value, low, high, note } of series.points) {
    if (value === null || !fits(x, at) || !fits(y, value)) {
      part++;
      continue;
    }
    const hasSpread = low !== undefined && high !== undefined && fits(y, low) && fits(y, high);
    points.push({
      x: at,
      y: value,
      low: hasSpread ? low : value,
      high: hasSpread ? high : value,
      part: `${series.label}\n${part}`,
      series,
      look,
      note,
    });
  }
  return points;
}

/** What stands under the pointer. */
function textOf({ x: at, y: value, series, note }: Placed, { x, y }: XyFigure): string {
  return [
    nameOf(series),
    `${y.label}: ${formatValue(value, y.unit ?? '')}`,
    `${x.label}: ${formatValue(at, x.unit ?? '')}`,
    ...(note === undefined ? [] : [note]),
  ].join('\n');
}
