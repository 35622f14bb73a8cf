import { parseHTML } from 'linkedom';
import type { Figure } from '../../src/report/figure.js';
import { standalone } from './standalone.js';

/**
 * A figure as an SVG file of its own, with its title, light or dark as its viewer is.
 *
 * @param width pixels; default 680
 */
export function chartFile(figure: Figure, width = 680): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  return standalone(figure, document, width);
}
