import { fitText, px, textWidth } from './chart.js';
import { type Markup, markup } from './markup.js';

/** One name of a legend and the symbol that stands before it. */
export interface LegendEntry {
  readonly label: string;
  /** Draws the symbol around a point, 24 wide. */
  readonly symbol: (x: number, y: number) => Markup;
}

const ROW = 20;
const SYMBOL = 24;
const GAP = 16;

/** Entries in rows as wide as the chart. */
export function drawLegend(
  entries: readonly LegendEntry[],
  width: number,
  top: number,
): { readonly height: number; readonly content: readonly Markup[] } {
  const content: Markup[] = [];
  let [x, row] = [8, 0];
  for (const { label, symbol } of entries) {
    const text = fitText(label, width - SYMBOL - 24);
    const needed = SYMBOL + 6 + textWidth(text);
    if (x > 8 && x + needed > width - 8) [x, row] = [8, row + 1];
    const y = top + row * ROW + ROW / 2;
    content.push(
      markup`<g><title>${label}</title>${symbol(x + SYMBOL / 2, y)}<text x="${px(x + SYMBOL + 6)}" y="${px(y + 4)}">${text}</text></g>`,
    );
    x += needed + GAP;
  }
  return { height: entries.length === 0 ? 0 : (row + 1) * ROW + 4, content };
}
