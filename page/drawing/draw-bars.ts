import * as Plot from '@observablehq/plot';
import { axisUnit, formatTick, formatValue } from '../../src/base/format.js';
import {
  type Canvas,
  colorOf,
  element,
  GREY,
  type Key,
  legend,
  type Render,
  STYLE,
} from './draw-parts.js';
import { along, tip } from './tip.js';
import { type BarFigure, describeFigure, nameOf, totalOf } from '../../src/report/figure.js';

const BAR_ROW = 46;
/** Of a row: its name, the bar, and a gap. */
const [NAME, GAP] = [20, 4];
const [MARGIN_TOP, MARGIN_BOTTOM] = [6, 40];

/** The legend, and pixels that the whole is high. */
export function barsLayout({ parts, bars }: BarFigure, width: number) {
  const used = parts.flatMap((label, i): Key[] =>
    bars.some(({ values }) => (values[i] ?? 0) > 0) ? [{ label, color: colorOf(i) }] : [],
  );
  const isModelled = bars.some(
    ({ modelled, values }) => modelled === true && values.some((value) => (value ?? 0) > 0),
  );
  const striped = { label: 'striped: modelled', color: GREY, striped: true };
  const key = legend(isModelled ? [...used, striped] : used, width, 0);
  const height = key.height + MARGIN_TOP + MARGIN_BOTTOM + BAR_ROW * bars.length;
  return { key, height };
}

/** Bars as an SVG element. */
export function drawBars(figure: BarFigure, { width, document, hover }: Canvas) {
  const { parts, bars, axis } = figure;
  const rows = bars.map((bar, i) => ({ bar, id: `${i}`, total: totalOf(bar) }));
  const unit = axisUnit(figure.unit, Math.max(0, ...rows.map(({ total }) => total ?? 0)));
  const pieces = rows.flatMap(({ bar, id }) => {
    let from = 0;
    return parts.flatMap((part, i) => {
      const value = bar.values[i] ?? 0;
      if (!(value > 0)) return [];
      const piece = {
        id,
        x1: from / unit.divisor,
        x2: (from + value) / unit.divisor,
        color: colorOf(i),
        modelled: bar.modelled === true,
        text: `${nameOf(bar)}\n${part}: ${formatValue(value, figure.unit)}`,
      };
      from += value;
      return [piece];
    });
  });
  const { key, height } = barsLayout(figure, width);
  const rect = { y: 'id', x1: 'x1', x2: 'x2', insetTop: NAME, insetBottom: GAP } as const;
  const modelled = pieces.filter((piece) => piece.modelled);
  return Plot.plot({
    document,
    width,
    height,
    marginTop: key.height + MARGIN_TOP,
    marginLeft: 12,
    marginRight: 84,
    marginBottom: MARGIN_BOTTOM,
    style: STYLE,
    ariaLabel: figure.title,
    ariaDescription: describeFigure(figure),
    x: {
      label: unit.name === '' ? axis : `${axis}, ${unit.name}`,
      tickFormat: formatTick,
      ticks: Math.max(3, width / 100),
      grid: true,
      zero: true,
      nice: true,
    },
    y: { axis: null, domain: rows.map(({ id }) => id), padding: 0 },
    marks: [
      hatching,
      Plot.rect(pieces, { ...rect, fill: 'color', stroke: 'var(--page)', strokeWidth: 1 }),
      Plot.rect(modelled, { ...rect, fill: 'url(#hatch)' }),
      Plot.text(rows, {
        y: 'id',
        frameAnchor: 'left',
        textAnchor: 'start',
        text: ({ bar }: (typeof rows)[number]) => bar.label,
        dy: (NAME - BAR_ROW) / 2,
        lineWidth: (width - 20) / 12,
        textOverflow: 'ellipsis',
      }),
      Plot.text(rows, {
        y: 'id',
        x: ({ total }: (typeof rows)[number]) => (total ?? 0) / unit.divisor,
        textAnchor: 'start',
        text: ({ total }: (typeof rows)[number]) =>
          total === null ? 'not measured' : formatValue(total, figure.unit),
        dx: 6,
        dy: (NAME - GAP) / 2,
      }),
      ...(hover
        ? [
            tip(
              along(pieces, Math.max(0, ...pieces.map(({ x2 }) => x2)) / width),
              Plot.pointer({
                y: 'id',
                x: 'x',
                title: 'text',
                fill: 'var(--panel)',
                stroke: 'var(--line)',
              }),
            ),
          ]
        : []),
      key.mark,
    ],
  });
}

/** Stripes over what is modelled. */
const hatching: Render = (_index, _scales, _values, _dimensions, context) => {
  const { document } = context;
  const pattern = element(document, 'pattern', {
    id: 'hatch',
    width: 6,
    height: 6,
    patternUnits: 'userSpaceOnUse',
    patternTransform: 'rotate(45)',
  });
  const stripe = { width: 3, height: 6, fill: 'var(--page)', 'fill-opacity': 0.6 };
  pattern.append(element(document, 'rect', stripe));
  return pattern as SVGElement;
};
