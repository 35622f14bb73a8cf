import { Markup, markup } from './markup.js';
import { CHART_CSS, THEME_CSS } from './palette.js';

/** A drawn chart with what it says in words and numbers. */
export interface Chart {
  readonly title: string;
  /** A sentence or two for who does not see the drawing. */
  readonly description: string;
  readonly width: number;
  readonly height: number;
  /** SVG elements, without the outer `svg`. */
  readonly content: Markup;
  /** The same as a table, texts ready to show. */
  readonly table: { readonly head: readonly string[]; readonly rows: readonly string[][] };
}

/** What every kind of chart takes. */
export interface ChartText {
  readonly title: string;
  /** What the chart shows; without it a summary of the numbers. */
  readonly description?: string;
  /** Pixels; 680 where nothing is said. Under 480 labels stand above the drawing. */
  readonly width?: number;
}

export const DEFAULT_WIDTH = 680;

/**
 * The chart as an element of an HTML page, which needs `THEME_CSS` and `CHART_CSS` once.
 *
 * @param id unique in the page
 */
export function chartElement(chart: Chart, id: string, className = ''): Markup {
  const { width, height } = chart;
  return markup`<svg class="chart ${className}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="${id}-t ${id}-d"><title id="${id}-t">${chart.title}</title><desc id="${id}-d">${chart.description}</desc>${chart.content}</svg>`;
}

const HEADING = 34;

/** The chart as an SVG file of its own, with its title, light or dark as its viewer is. */
export function chartFile(chart: Chart): string {
  const { title, description, width } = chart;
  const height = chart.height + HEADING;
  const style = new Markup(`<style>${THEME_CSS}${CHART_CSS}</style>`);
  const svg = markup`<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t d"><title id="t">${title}</title><desc id="d">${description}</desc>${style}<rect width="100%" height="100%" style="fill:var(--page)"/><text class="bold" x="8" y="22" style="font-size:14px">${title}</text><g transform="translate(0 ${HEADING})">${chart.content}</g></svg>`;
  return `${svg.source}\n`;
}

/** Pixels that a text takes at 12 px, rather too many than too few. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    width += code > 0x2e80 ? 12.5 : /[MWmw@%—…]/.test(character) ? 10.5 : 6.7;
  }
  return width;
}

/** A text cut to a width, with an ellipsis. */
export function fitText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  const characters = Array.from(text);
  while (characters.length > 1 && textWidth(`${characters.join('')}…`) > width) characters.pop();
  return `${characters.join('')}…`;
}

/** A coordinate: a tenth of a pixel is enough. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
