import { fitText, px, textWidth } from './chart.js';
import { type Markup, markup } from './markup.js';
import { createScale, type Scale, type ScaleKind } from './scale.js';
import { type AxisUnit, axisUnit, formatTick } from '../base/format.js';

/** What an axis shows. */
export interface Axis {
  readonly label: string;
  /** SI unit of the values, shown with a prefix as needed; `%` for shares; none for counts. */
  readonly unit?: string;
  /** `linear` where nothing is said; `log2` marks powers of two. */
  readonly scale?: ScaleKind;
  /** Whether the axis starts at zero, where it is linear. */
  readonly fromZero?: boolean;
}

/** The place inside the axes, and how values are placed in it. */
export interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  /** Height of the chart down to the last line of text. */
  readonly height: number;
  /** Axes, grid and their texts. */
  readonly content: readonly Markup[];
  x(value: number): number;
  y(value: number): number;
}

const TICK_SPACE = 14;

/** Beyond it numbers are no measurements, and differences of them overflow. */
const LARGEST = 1e100;

/** Whether a value has a place on an axis: a logarithmic one has none for zero. */
export function fits(axis: Axis, value: number): boolean {
  if (!(Math.abs(value) <= LARGEST)) return false;
  return (axis.scale ?? 'linear') === 'linear' || value >= 1 / LARGEST;
}

/** Draws both axes of a chart. @param margin pixels kept free at the right, for labels */
export function drawFrame(
  axes: { readonly x: Axis; readonly y: Axis },
  values: { readonly x: readonly number[]; readonly y: readonly number[] },
  place: {
    readonly width: number;
    readonly plotHeight: number;
    readonly top: number;
    readonly margin: number;
  },
): Frame {
  const units = { x: unitOf(axes.x, values.x), y: unitOf(axes.y, values.y) };
  const title = { x: axisTitle(axes.x, units.x), y: axisTitle(axes.y, units.y) };
  const top = place.top + (title.y === '' ? 8 : 26);
  const bottom = top + place.plotHeight;
  const yScale = scaleOf(axes.y, values.y, units.y, Math.max(2, Math.floor(place.plotHeight / 44)));
  const yTexts = yScale.ticks.map((tick) => formatTick(tick));
  const left = Math.max(36, 16 + Math.max(...yTexts.map(textWidth)));
  const right = place.width - Math.max(16, place.margin);
  const xScale = xScaleOf(axes.x, values.x, units.x, right - left);
  const x = (value: number) => left + (right - left) * xScale.at(value / units.x.divisor);
  const y = (value: number) => bottom - (bottom - top) * yScale.at(value / units.y.divisor);
  const content = [
    ...yScale.ticks.map((tick, i) => {
      const at = px(y(tick * units.y.divisor));
      return markup`<line class="grid" x1="${px(left)}" x2="${px(right)}" y1="${at}" y2="${at}"/><text class="end soft" x="${px(left - 6)}" y="${at}" dy="4">${yTexts[i] ?? ''}</text>`;
    }),
    ...xScale.ticks.map((tick) => {
      const at = px(x(tick * units.x.divisor));
      return markup`<line class="axis" x1="${at}" x2="${at}" y1="${px(bottom)}" y2="${px(bottom + 4)}"/><text class="middle soft" x="${at}" y="${px(bottom + 18)}">${formatTick(tick)}</text>`;
    }),
    markup`<line class="axis" x1="${px(left)}" x2="${px(right)}" y1="${px(bottom)}" y2="${px(bottom)}"/>`,
    markup`<text class="soft" x="8" y="${px(place.top + 14)}">${fitText(title.y, place.width - 16)}</text>`,
    markup`<text class="end soft" x="${px(right)}" y="${px(bottom + 38)}">${fitText(title.x, place.width - 16)}</text>`,
  ];
  return { left, right, top, bottom, height: bottom + 46, content, x, y };
}

function unitOf({ unit = '' }: Axis, values: readonly number[]): AxisUnit {
  return axisUnit(
    unit,
    values.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  );
}

function axisTitle({ label, scale = 'linear' }: Axis, { name }: AxisUnit): string {
  const unit = name === '' ? '' : `, ${name}`;
  return `${label}${unit}${scale === 'linear' ? '' : ' (logarithmic)'}`;
}

function scaleOf(axis: Axis, values: readonly number[], unit: AxisUnit, wanted: number): Scale {
  const shown = values.map((value) => value / unit.divisor);
  return createScale(axis.scale ?? 'linear', shown, wanted, axis.fromZero ?? false);
}

/** As many ticks as have room side by side. */
function xScaleOf(axis: Axis, values: readonly number[], unit: AxisUnit, width: number): Scale {
  for (let wanted = Math.max(2, Math.floor(width / 64)); ; wanted--) {
    const scale = scaleOf(axis, values, unit, wanted);
    const widest = Math.max(...scale.ticks.map((tick) => textWidth(formatTick(tick))));
    if (wanted <= 1 || scale.ticks.length * (widest + TICK_SPACE) <= width) return scale;
  }
}
