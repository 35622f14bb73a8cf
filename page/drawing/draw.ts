import { drawBars } from './draw-bars.js';
import type { Canvas } from './draw-parts.js';
import { drawXy } from './draw-xy.js';
import type { Figure } from '../../src/report/figure.js';

/** A figure as an SVG element; colors are the custom properties of `THEME_CSS`. */
export function draw(figure: Figure, canvas: Canvas): SVGSVGElement {
  const svg = figure.kind === 'bars' ? drawBars(figure, canvas) : drawXy(figure, canvas);
  svg.setAttribute('role', 'img');
  // The whole is one picture with one description: its groups have no names of their own.
  for (const group of svg.querySelectorAll('g[aria-label]')) {
    group.setAttribute('class', group.getAttribute('aria-label') ?? '');
    group.removeAttribute('aria-label');
    group.removeAttribute('aria-description');
  }
  return svg as SVGSVGElement;
}
