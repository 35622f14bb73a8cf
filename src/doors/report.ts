/** Charts as SVG. */
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
