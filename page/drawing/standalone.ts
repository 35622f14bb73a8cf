import { draw } from './draw.js';
import { describeFigure, type Figure } from '../../src/report/figure.js';
import { THEME_CSS } from '../../src/report/palette.js';

const HEADING = 34;

/**
 * A figure as the text of an SVG file, with its title, light or dark as its viewer is.
 *
 * @param document of a page, or one that stands in for it
 * @param width pixels
 */
export function standalone(figure: Figure, document: Document, width: number): string {
  const drawing = draw(figure, { width, document, hover: false });
  const height = Number(drawing.getAttribute('height')) + HEADING;
  const make = (name: string, attributes: Record<string, string | number>, text = '') => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
    made.textContent = text;
    return made;
  };
  const svg = make('svg', {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: 'img',
    'aria-labelledby': 't d',
  });
  drawing.setAttribute('y', String(HEADING));
  for (const name of ['role', 'aria-label', 'aria-description']) drawing.removeAttribute(name);
  const font = 'font:600 14px system-ui,sans-serif;fill:var(--ink)';
  svg.append(
    make('title', { id: 't' }, figure.title),
    make('desc', { id: 'd' }, describeFigure(figure)),
    make('style', {}, `${THEME_CSS}svg{color:var(--ink)}`),
    make('rect', { width: '100%', height: '100%', style: 'fill:var(--page)' }),
    make('text', { x: 8, y: 22, style: font }, figure.title),
    drawing,
  );
  return `${svg.outerHTML}\n`;
}
