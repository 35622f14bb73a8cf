/**
 * Charts as SVG.
 *
 * @module phantom-parallel/report
 */
export {
  type Axis,
  type Bar,
  type Chart,
  CHART_CSS,
  chartElement,
  chartFile,
  type ChartText,
  lineChart,
  type Point,
  scatterChart,
  type Series,
  stackedBars,
  type StackedBars,
  THEME_CSS,
  type XyChart,
} from '../report/charts.js';
export type { Markup } from '../report/markup.js';
export type { ScaleKind } from '../report/scale.js';
