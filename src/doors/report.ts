/**
 * Charts as SVG.
 *
 * @module phantom-parallel/report
 */
export { chartFile } from '../report/chart-file.js';
export type { Axis, Bar, BarFigure, Figure, Point, Series, XyFigure } from '../report/figure.js';
