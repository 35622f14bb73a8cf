import { barsLayout, drawBars } from './draw-bars.js';
import type { Canvas } from './draw-parts.js';
import { drawTimeline, timelineLayout } from './draw-timeline.js';
import { drawXy, xyHeight } from './draw-xy.js';
import type { Figure } from '../../src/report/figure.js';

/** A figure as an SVG element; colors are the custom properties of `THEME_CSS`. */
export function draw(figure: Figure, canvas: Canvas): SVGSVGElement {
  const svg = drawKind(figure, canvas);
  svg.setAttribute('role', 'img');
  // The whole is one picture with one description: its groups have no names of their own.
  for (const group of svg.querySelectorAll('g[aria-label]')) {
    group.setAttribute('class', group.getAttribute('aria-label') ?? '');
    group.removeAttribute('aria-label');
    group.removeAttribute('aria-description');
  }
  return svg as SVGSVGElement;
}

/** Pixels that `draw` makes it high. */
export function heightOf(figure: Figure, width: number): number {
  if (figure.kind === 'bars') return barsLayout(figure, width).height;
  if (figure.kind === 'timeline') return timelineLayout(figure, width).height;
  return xyHeight(figure, width);
}

function drawKind(figure: Figure, canvas: Canvas) {
  if (figure.kind === 'bars') return drawBars(figure, canvas);
  return figure.kind === 'timeline' ? drawTimeline(figure, canvas) : drawXy(figure, canvas);
}
