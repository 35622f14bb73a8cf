import * as Plot from '@observablehq/plot';
import { formatTick } from '../../src/base/format.js';
import { robustDomain } from '../../src/report/domain.js';
import { type Axis, describeFigure, nameOf, type XyFigure } from '../../src/report/figure.js';
import { thin } from '../../src/runs/thin.js';
import { arrows, extentOf, type Placed, placed, textOf, titleOf, unitOf } from './xy-values.js';
import { type Canvas, colorOf, GREY, legend, type Mark, STYLE, symbolOf } from './draw-parts.js';
import { tip } from './tip.js';

const MOST_POINTS = 480;
const MARKED_POINTS = 30;
const MARGIN_LEFT = 58;
const ARROW_ROW = 14;
const PANEL_WIDTH = 150;
const PANEL_HEIGHT = 110;

/** Series that have a color, as the legend names them: where all is modelled an axis says so. */
function namesOf({ series }: XyFigure) {
  const allModelled = series.length > 0 && series.every((each) => each.modelled);
  const named = series.flatMap((each, i) => {
    const look = each.look === undefined ? i : each.look;
    const label = allModelled ? each.label : nameOf(each);
    return look === null ? [] : [{ each, i, label, color: colorOf(look), look }];
  });
  return { allModelled, named };
}

const legendTop = ({ apart }: XyFigure) => (apart ? 32 : 18);

/** Pixels that curves or marks are high. */
export function xyHeight(figure: XyFigure, width: number): number {
  const { apart = false, series } = figure;
  const keys = apart ? [] : namesOf(figure).named;
  const { height } = legend(keys, width, legendTop(figure));
  const inside = apart ? panelsOf(series.length, width).height : width < 480 ? 220 : 270;
  return inside + height;
}

/** Curves or marks as an SVG element. */
export function drawXy(figure: XyFigure, { width, document, hover }: Canvas) {
  const { x: xAxis, y: yAxis, kind, series, apart = false } = figure;
  const isLines = kind === 'lines';
  const looks = series.map(({ look }, i) => (look === undefined ? i : look));
  const all = series.map((_, i) => placed(figure, i, looks[i] ?? null));
  const x = unitOf(xAxis, extentOf(all.flat(), 'x', 'x'));
  const domain = robustDomain(
    yAxis,
    all.map((points) => extentOf(points, 'low', 'high')),
  );
  const y = unitOf(yAxis, domain);
  const shown = all.map((points) => {
    if (!isLines || points.length <= MOST_POINTS) return points;
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
  const { allModelled, named } = namesOf(figure);
  const keys = named.map(({ each, i, label, color, look }) => {
    const dashed = each.modelled === true && isLines && !allModelled;
    const isMarked = !isLines || (shown[i]?.length ?? 0) <= MARKED_POINTS;
    return {
      label,
      color,
      hollow: each.modelled === true,
      ...(isMarked ? { symbol: symbolOf(look) } : {}),
      ...(isLines ? { dashed } : {}),
    };
  });
  const key = legend(apart ? [] : keys, width, legendTop(figure));
  const panels = panelsOf(series.length, width);
  const [low, high] = domain;
  const inside = ({ y: value }: Placed) => value >= low && value <= high;
  const outside = shown.flatMap((points) => {
    const first = points.find((point) => !inside(point));
    return first === undefined ? [] : [{ ...first, up: first.y > high }];
  });
  const [first = 0, last = 0] = extentOf(shown.flat(), 'x', 'x');
  const stroke = ({ look }: Placed) => colorOf(look);
  const inPanel = apart ? panels.channels : {};
  const at = { ...inPanel, x: (p: Placed) => p.x / x.divisor, y: (p: Placed) => p.y / y.divisor };
  const curve = (points: readonly Placed[], options: object) =>
    Plot.line(points, {
      ...at,
      z: 'part',
      stroke,
      clip: true,
      strokeLinejoin: 'round',
      ...options,
    });
  const solid = front.flat().filter((point) => allModelled || !point.series.modelled);
  const dashed = front.flat().filter((point) => !allModelled && point.series.modelled);
  const marked = front.flatMap((points) =>
    !isLines || (!apart && points.length <= MARKED_POINTS) ? points : [],
  );
  const marks: Mark[] = [
    ...(isLines
      ? [
          curve(back, apart ? { strokeWidth: 1.5 } : { strokeWidth: 1, strokeOpacity: 0.35 }),
          curve(solid, { strokeWidth: 2 }),
          curve(dashed, { strokeWidth: 2, strokeDasharray: '6 3' }),
        ]
      : []),
    Plot.ruleX(
      front.flat().filter((point) => point.low < point.high && inside(point)),
      {
        ...inPanel,
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
        ...inPanel,
        x: at.x,
        y: (point.up ? high : low) / y.divisor,
        text: [text],
        fill: stroke,
        textAnchor: point.x > (first + last) / 2 ? 'end' : 'start',
        dy: (point.up ? 8 : -8) + (point.up ? 1 : -1) * ARROW_ROW * row,
      }),
    ),
    ...(apart
      ? [panels.names(series.map((each) => (allModelled ? each.label : nameOf(each))))]
      : []),
    ...(shown.flat().length === 0
      ? [Plot.text(['no values'], { frameAnchor: 'middle', fill: GREY })]
      : []),
    ...(hover
      ? [
          tip(
            [...front.flat(), ...back].filter(inside),
            Plot.pointer({
              ...at,
              title: (point: Placed) => point,
              fill: 'var(--panel)',
              stroke: 'var(--line)',
              maxRadius: 60,
              // A channel would make the texts of all points.
              format: { title: (point: Placed) => textOf(point, figure) },
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
    height: xyHeight(figure, width),
    marginTop: key.height + 8,
    ...(apart ? panels.scales : {}),
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
      ticks: apart ? 3 : tickCount(xAxis, width / 90),
      nice: xAxis.fromZero ?? false,
      zero: xAxis.fromZero ?? false,
    },
    y: {
      ...scaleOf(yAxis),
      domain: [low / y.divisor, high / y.divisor],
      nice: (yAxis.scale ?? 'linear') === 'linear',
      label: titleOf(yAxis, y.name, allModelled && xAxis.unit !== 'J'),
      tickFormat: formatTick,
      ticks: apart ? 3 : tickCount(yAxis, 6),
      grid: true,
    },
    marks,
  });
}

/** Panels in rows, a place for each series. */
function panelsOf(count: number, width: number) {
  const columns = Math.max(1, Math.min(Math.floor(width / PANEL_WIDTH), count));
  const rows = Math.max(1, Math.ceil(count / columns));
  const channels = {
    fx: ({ place }: { readonly place: number }) => place % columns,
    fy: ({ place }: { readonly place: number }) => Math.floor(place / columns),
  };
  const upTo = (length: number) => Array.from({ length }, (_, i) => i);
  return {
    channels,
    height: PANEL_HEIGHT * rows + 60,
    scales: {
      fx: { axis: null, domain: upTo(columns), padding: 0.06 },
      fy: { axis: null, domain: upTo(rows), padding: 0.24 },
    },
    names: (labels: readonly string[]) =>
      Plot.text(
        labels.map((label, place) => ({ label, place })),
        {
          ...channels,
          text: 'label',
          frameAnchor: 'top-left',
          lineAnchor: 'bottom',
          dy: -3,
          lineWidth: width / columns / 12,
          textOverflow: 'ellipsis',
        },
      ),
  };
}

function scaleOf({ scale = 'linear' }: Axis): Plot.ScaleOptions {
  if (scale === 'log2') return { type: 'log', base: 2 };
  return { type: scale };
}

function tickCount({ scale }: Axis, count: number): number {
  return scale === 'log2' ? Math.max(3, Math.min(count, 10)) : Math.max(3, count);
}
