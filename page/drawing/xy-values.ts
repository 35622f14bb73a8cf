import { axisUnit, formatValue } from '../../src/base/format.js';
import { fits } from '../../src/report/domain.js';
import { type Axis, nameOf, type Series, type XyFigure } from '../../src/report/figure.js';

/** Named at an edge. */
const MOST_ARROWS = 4;

/** A value that has a place in a drawing. */
export interface Placed {
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
  /** Changes where a value is unknown: the curve breaks there. */
  readonly part: string;
  readonly series: Series;
  /** Of its series among those of the figure. */
  readonly place: number;
  readonly look: number | null;
  readonly note: string | undefined;
}

/** The least and the largest; none of no points. */
export function extentOf(
  points: readonly Placed[],
  from: 'x' | 'low',
  to: 'x' | 'high',
): readonly number[] {
  let [least, largest] = [Infinity, -Infinity];
  for (const point of points) {
    least = Math.min(least, point[from]);
    largest = Math.max(largest, point[to]);
  }
  return points.length === 0 ? [] : [least, largest];
}

export interface Outside extends Placed {
  /** Above the axis, or below it. */
  readonly up: boolean;
}

/** What is outside, in rows from the edge; where they are many, the others are counted. In panels each
 * has its own. */
export function arrows(
  outside: readonly Outside[],
  [low, high]: readonly [number, number],
  { y, apart }: XyFigure,
): { point: Outside; text: string; row: number }[] {
  const valueOf = (point: Outside) => formatValue(point.y, y.unit ?? '');
  if (apart === true) {
    return outside.map((point) => ({
      point,
      text: `${point.up ? '▲' : '▼'} ${valueOf(point)}`,
      row: 0,
    }));
  }
  const side = (up: boolean) => {
    const all = outside.filter((point) => point.up === up);
    const named = all.length > MOST_ARROWS ? all.slice(0, MOST_ARROWS - 1) : all;
    const arrow = up ? '▲' : '▼';
    const lines = named.map((point, row) => ({
      point,
      text: `${arrow} ${point.series.label}: ${valueOf(point)}`,
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

export function unitOf(axis: Axis, values: readonly number[]) {
  if ((axis.scale ?? 'linear') !== 'linear' && (axis.unit ?? '') === '')
    return { divisor: 1, name: '' };
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return axisUnit(axis.unit ?? '', largest);
}

export function titleOf({ label }: Axis, unit: string, modelled: boolean): string {
  return [label, ...(modelled ? ['modelled'] : []), ...(unit === '' ? [] : [unit])].join(', ');
}

export function placed(
  { x, y, series: all }: XyFigure,
  place: number,
  look: number | null,
): Placed[] {
  const points: Placed[] = [];
  const series = all[place];
  if (series === undefined) return points;
  let part = series.label;
  for (const { x: at, y: value, low, high, note } of series.points) {
    if (value === null || !fits(x, at) || !fits(y, value)) {
      part = `${series.label}\n${points.length}`;
      continue;
    }
    const hasSpread = low !== undefined && high !== undefined && fits(y, low) && fits(y, high);
    points.push({
      x: at,
      y: value,
      low: hasSpread ? low : value,
      high: hasSpread ? high : value,
      part,
      series,
      place,
      look,
      note,
    });
  }
  return points;
}

/** What stands under the pointer. */
export function textOf({ x: at, y: value, series, note }: Placed, { x, y }: XyFigure): string {
  return [
    nameOf(series),
    `${y.label}: ${formatValue(value, y.unit ?? '')}`,
    `${x.label}: ${formatValue(at, x.unit ?? '')}`,
    ...(note === undefined ? [] : [note]),
  ].join('\n');
}
