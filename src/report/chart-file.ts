import * as drawing from './drawing.js';
import type { Figure } from './figure.js';

/**
 * A figure as an SVG file of its own, with its title, light or dark as its viewer is.
 *
 * @param width pixels; default 680
 */
export function chartFile(figure: Figure, width?: number): string {
  return drawing.chartFile(figure, width);
}
