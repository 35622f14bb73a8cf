export { type Chart, chartElement, chartFile, type ChartText } from './chart.js';
export { type Bar, stackedBars, type StackedBars } from './bar-chart.js';
export type { Axis } from './frame.js';
export { CHART_CSS, THEME_CSS } from './palette.js';
export { lineChart, type Point, scatterChart, type Series, type XyChart } from './xy-chart.js';
