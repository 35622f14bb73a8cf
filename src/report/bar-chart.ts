import { type Chart, type ChartText, DEFAULT_WIDTH, fitText, px } from './chart.js';
import { drawLegend } from './legend.js';
import { type Markup, markup } from './markup.js';
import { colourIndex } from './palette.js';
import { createScale } from './scale.js';
import { axisUnit, formatTick, formatValue } from '../base/format.js';

/** A bar of parts that lie one after another. */
export interface Bar {
  readonly label: string;
  /** One for each part, null where unknown. */
  readonly values: readonly (number | null)[];
  /** Drawn pale with an outline, and said in the label. */
  readonly modelled?: boolean;
  readonly note?: string;
}

export interface StackedBars extends ChartText {
  readonly axis: string;
  /** SI unit of the values; `%` for shares. */
  readonly unit: string;
  /** Names of the parts, from the left. */
  readonly parts: readonly string[];
  readonly bars: readonly Bar[];
}

const [ROW, HEIGHT, LABEL] = [46, 18, 18];

/** Horizontal bars, each under its name and with its total. */
export function stackedBars(spec: StackedBars): Chart {
  const width = spec.width ?? DEFAULT_WIDTH;
  const used = spec.parts.map((_, i) => spec.bars.some(({ values }) => (values[i] ?? 0) > 0));
  const legend = drawLegend(
    spec.parts.flatMap((label, i) => (used[i] ? [{ label, symbol: swatch(i) }] : [])),
    width,
    0,
  );
  const totals = spec.bars.map(({ values }) => total(values));
  const known = totals.filter((value) => value !== null);
  const unit = axisUnit(spec.unit, Math.max(0, ...known));
  const [left, right] = [10, width - 84];
  const scale = createScale(
    'linear',
    known.map((value) => value / unit.divisor),
    Math.max(2, Math.floor((right - left) / 80)),
    true,
  );
  const x = (value: number) => left + (right - left) * scale.at(value / unit.divisor);
  const top = legend.height + 6;
  const bottom = top + spec.bars.length * ROW;
  const content = [
    ...scale.ticks.map((tick) => {
      const at = px(x(tick * unit.divisor));
      return markup`<line class="grid" x1="${at}" x2="${at}" y1="${px(top)}" y2="${px(bottom)}"/><text class="middle soft" x="${at}" y="${px(bottom + 16)}">${formatTick(tick)}</text>`;
    }),
    ...spec.bars.map((bar, i) => drawBar(spec, bar, totals[i] ?? null, top + i * ROW, x, width)),
    markup`<text class="end soft" x="${px(right)}" y="${px(bottom + 36)}">${spec.axis}${unit.name === '' ? '' : `, ${unit.name}`}</text>`,
    ...legend.content,
  ];
  return {
    title: spec.title,
    description:
      spec.description ?? `${spec.axis}. ${spec.bars.map((bar) => inWords(spec, bar)).join(' ')}`,
    width,
    height: bottom + 44,
    content: markup`${content}`,
    table: {
      head: ['', ...spec.parts, 'total'],
      rows: spec.bars.map((bar) => [
        nameOf(bar),
        ...spec.parts.map((_, i) => text(bar.values[i] ?? null, spec.unit)),
        text(total(bar.values), spec.unit),
      ]),
    },
  };
}

function drawBar(
  spec: StackedBars,
  bar: Bar,
  sum: number | null,
  top: number,
  x: (value: number) => number,
  width: number,
): Markup {
  let from = 0;
  const y = top + LABEL;
  const parts = spec.parts.map((name, i) => {
    const value = bar.values[i] ?? 0;
    if (!(value > 0)) return null;
    const at = x(from);
    from += value;
    const size = Math.max(0, x(from) - at);
    const note = bar.note === undefined ? '' : ` – ${bar.note}`;
    return markup`<rect class="part f${colourIndex(i)}${bar.modelled ? ' modelled' : ''}" x="${px(at)}" y="${px(y)}" width="${px(size)}" height="${HEIGHT}"><title>${nameOf(bar)}: ${name} ${text(value, spec.unit)}${note}</title></rect>`;
  });
  return markup`<g><text x="10" y="${px(y - 5)}">${fitText(nameOf(bar), width - 20)}</text>${parts}<text x="${px(x(from) + 6)}" y="${px(y + 13)}">${sum === null ? 'not measured' : text(sum, spec.unit)}</text></g>`;
}

function swatch(part: number) {
  return (x: number, y: number): Markup =>
    markup`<rect class="part f${colourIndex(part)}" x="${px(x - 8)}" y="${px(y - 7)}" width="18" height="14"/>`;
}

/** Null where nothing is known of the bar. */
function total(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

function nameOf({ label, modelled }: Bar): string {
  return modelled && !/modelled/i.test(label) ? `${label} (modelled)` : label;
}

function text(value: number | null, unit: string): string {
  return value === null ? 'not measured' : formatValue(value, unit);
}

function inWords(spec: StackedBars, bar: Bar): string {
  const parts = spec.parts.flatMap((name, i) => {
    const value = bar.values[i] ?? null;
    return value === null ? [] : [`${name} ${formatValue(value, spec.unit)}`];
  });
  return `${nameOf(bar)}: ${parts.length === 0 ? 'not measured' : parts.join(', ')}.`;
}
