import type * as Plot from '@observablehq/plot';
import { SERIES_COLORS } from '../../src/report/palette.js';

/** Where a figure is drawn. */
export interface Canvas {
  /** Pixels. */
  readonly width: number;
  /** Of a page, or one that stands in for it. */
  readonly document: Document;
  /** Whether values are shown under the pointer. */
  readonly hover: boolean;
}

export type Mark = Plot.Markish;
/** A mark that draws itself. */
export type Render = Exclude<Plot.RenderFunction, undefined>;

export const STYLE = { fontSize: '12px', fontFamily: 'system-ui,sans-serif', background: 'none' };
export const GREY = 'var(--soft)';
const LEGEND_ROW = 20;
const SYMBOLS = ['circle', 'square', 'triangle', 'diamond2', 'star', 'cross', 'wye'] as const;

/** Of the palette; null: of the background. */
export function colorOf(look: number | null): string {
  return look === null ? GREY : `var(--s${look % SERIES_COLORS.light.length})`;
}

/** Of the marks of a series: with more series than colors, those of one color have other marks. */
export function symbolOf(look: number): Plot.SymbolType {
  const turns = Math.floor(look / SERIES_COLORS.light.length);
  return SYMBOLS[(look + turns) % SYMBOLS.length] ?? 'circle';
}

export interface Key {
  readonly label: string;
  readonly color: string;
  /** Drawn with its mark, by whoever draws the figure. */
  readonly symbol?: Plot.SymbolType;
  readonly hollow?: boolean;
  readonly dashed?: boolean;
  readonly striped?: boolean;
}

/** Names beside their colors, in rows from `top` pixels on. */
export function legend(
  keys: readonly Key[],
  width: number,
  top: number,
): { height: number; mark: Mark; places: (Key & { x: number; y: number })[] } {
  let [x, y] = [8, top + 8];
  const places = keys.map((key) => {
    const room = 30 + 7.2 * key.label.length;
    if (x > 8 && x + room > width) [x, y] = [8, y + LEGEND_ROW];
    const place = { ...key, x, y };
    x += room;
    return place;
  });
  const render: Render = (_index, _scales, _values, _dimensions, context) => {
    const { document } = context;
    const group = element(document, 'g', {});
    for (const { label, color, symbol, dashed, striped, x: at, y: height } of places) {
      const line = { x1: at, x2: at + 16, y1: height, y2: height, stroke: color };
      const dash = dashed ? { 'stroke-dasharray': '4 2' } : {};
      const thickness = striped ? 10 : symbol === undefined ? 5 : 2;
      if (symbol === undefined || dashed !== undefined) {
        group.append(element(document, 'line', { ...line, 'stroke-width': thickness, ...dash }));
      }
      if (striped) {
        const box = { x: at, y: height - 5, width: 16, height: 10, fill: 'url(#hatch)' };
        group.append(element(document, 'rect', box));
      }
      const text = element(document, 'text', {
        x: at + 21,
        y: height + 4,
        fill: 'var(--ink)',
        'text-anchor': 'start',
      });
      text.textContent = label;
      group.append(text);
    }
    return group as SVGElement;
  };
  return { height: keys.length === 0 ? top : y + 14, mark: render, places };
}

export function element(
  document: Document,
  name: string,
  attributes: Record<string, unknown>,
): Element {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}
