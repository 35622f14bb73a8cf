import * as Plot from '@observablehq/plot';
import { axisUnit, formatTick, formatValue } from '../../src/base/format.js';
import { type Canvas, colorOf, type Key, legend, STYLE } from './draw-parts.js';
import { along, tip } from './tip.js';
import { describeFigure, type TimelineFigure } from '../../src/report/figure.js';

const ROW = 40;
/** Height of the band of what goes on beside the rest. */
const BAND = 7;
const LEFT = 64;
const [MARGIN_TOP, MARGIN_BOTTOM] = [6, 40];

/** The legend, and pixels that the whole is high. */
export function timelineLayout({ parts, rows }: TimelineFigure, width: number) {
  const used = parts.flatMap((label, part): Key[] =>
    rows.some(({ intervals }) => (intervals[part]?.length ?? 0) > 0)
      ? [{ label, color: colorOf(part) }]
      : [],
  );
  const key = legend(used, width, 0);
  return { key, height: key.height + MARGIN_TOP + MARGIN_BOTTOM + ROW * rows.length };
}

/** A timeline as an SVG element. */
export function drawTimeline(figure: TimelineFigure, { width, document, hover }: Canvas) {
  const { parts, rows, axis, beside } = figure;
  const end = rows
    .flatMap(({ intervals }) => intervals.flat())
    .reduce((most, time) => Math.max(most, time), 0);
  const unit = axisUnit('s', end);
  const pieces = rows.flatMap(({ label, intervals }) =>
    intervals.flatMap((list, part) =>
      Array.from({ length: list.length / 2 }, (_, i) => {
        const [from = 0, to = 0] = list.slice(2 * i, 2 * i + 2);
        const [start, length] = [formatValue(from, 's'), formatValue(to - from, 's')];
        const within = overlap(intervals[beside] ?? [], from, to);
        const more = within > 0 ? `\n${parts[beside]}: ${formatValue(within, 's')} of it` : '';
        return {
          label,
          x1: from / unit.divisor,
          x2: to / unit.divisor,
          color: colorOf(part),
          isBeside: part === beside,
          text: `${label}\n${parts[part]}: ${length}${more}\nfrom ${start} on`,
        };
      }),
    ),
  );
  const busy = pieces.filter(({ isBeside }) => !isBeside);
  const { key, height } = timelineLayout(figure, width);
  const rect = { y: 'label', x1: 'x1', x2: 'x2', fill: 'color' } as const;
  return Plot.plot({
    document,
    width,
    height,
    marginTop: key.height + MARGIN_TOP,
    marginLeft: LEFT,
    marginRight: 24,
    marginBottom: MARGIN_BOTTOM,
    style: STYLE,
    ariaLabel: figure.title,
    ariaDescription: describeFigure(figure),
    x: {
      label: `${axis}, ${unit.name}`,
      tickFormat: formatTick,
      ticks: Math.max(3, width / 100),
      grid: true,
      domain: [0, end / unit.divisor],
    },
    y: { label: null, domain: rows.map(({ label }) => label), padding: 0, tickSize: 0 },
    marks: [
      Plot.rect(busy, { ...rect, insetTop: BAND + 6, insetBottom: 4 }),
      Plot.rect(
        pieces.filter(({ isBeside }) => isBeside),
        { ...rect, insetTop: 4, insetBottom: ROW - 4 - BAND },
      ),
      ...(hover
        ? [
            tip(
              along(busy, end / unit.divisor / width),
              Plot.pointer({
                y: 'label',
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

/** How much of a time is in intervals: start, end, start, end, … */
function overlap(intervals: readonly number[], from: number, to: number): number {
  let sum = 0;
  for (let i = 0; i < intervals.length; i += 2) {
    const [start = 0, end = 0] = intervals.slice(i, i + 2);
    sum += Math.max(0, Math.min(end, to) - Math.max(start, from));
  }
  return sum;
}
