import { formatCount, formatDigits, formatPercent } from '../base/format.js';
import {
  type MetricName,
  METRICS,
  METRIC_NAMES,
  metricText,
  type MetricValues,
  metricValueText,
} from '../metrics/metric-names.js';
import type { EvaluationMetrics } from '../training/metrics-shape.js';
import { formatTable } from './table.js';

/** Classes that are listed one by one, and of a confusion matrix. */
const MOST_CLASSES = 30;
const MOST_CONFUSED = 12;
/** Of a log line, where accuracy has a place of its own. */
const MAIN: readonly MetricName[] = ['rmse', 'r2', 'coverage', 'macroF1'];

/** The main metrics of a validation, beside its loss and accuracy. */
export function mainMetrics(values: MetricValues): string[] {
  return MAIN.flatMap((name) => {
    const value = values[name];
    return value === undefined ? [] : [metricText(name, value)];
  });
}

/** Names and values of all metrics of a task, but accuracy. */
export function metricPairs(metrics: EvaluationMetrics): [string, string][] {
  const fewClasses = metrics.task === 'classify' && metrics.classes.length <= 5;
  return METRIC_NAMES.flatMap((name) => {
    const value = metrics.values[name];
    if (value === undefined || name === 'accuracy' || (name === 'top5' && fewClasses)) return [];
    return [[METRICS[name].text, metricValueText(name, value)] as [string, string]];
  });
}

/** Tables of each target or class, and of what was predicted for rows of each class. */
export function metricTables(metrics: EvaluationMetrics, width: number): string[] {
  if (metrics.task === 'regress') {
    const { targets } = metrics;
    if (targets === null || targets.length < 2) return [];
    const isBand = targets.some(({ coverage }) => coverage !== undefined);
    const rows = targets.map(({ name, rmse, mae, r2, coverage }) => [
      name,
      formatDigits(rmse),
      formatDigits(mae),
      r2 === null ? '–' : formatDigits(r2),
      ...(isBand ? [metricValueText('coverage', coverage ?? null)] : []),
    ]);
    const titles = ['target', 'RMSE', 'MAE', 'R²', ...(isBand ? [METRICS.coverage.text] : [])];
    return ['', ...formatTable(titles, rows, width)];
  }
  if (metrics.task === 'multilabel') {
    const labels = metrics.labels.map(({ name, accuracy, precision, recall, f1, rocAuc, rows }) => [
      name,
      ...[accuracy, precision, recall].map((share) => formatPercent(share, 1)),
      formatDigits(f1),
      rocAuc === null ? '–' : formatDigits(rocAuc),
      formatCount(rows),
    ]);
    const titles = ['label', 'accuracy', 'precision', 'recall', 'F1', 'ROC AUC', 'rows of yes'];
    return ['', ...formatTable(titles, labels, width)];
  }
  const { classes, confusion } = metrics;
  const listed =
    classes.length <= MOST_CLASSES
      ? classes
      : classes.toSorted((a, b) => a.f1 - b.f1).slice(0, MOST_CLASSES);
  const rows = listed.map(({ name, precision, recall, f1, rows: own }) => [
    name,
    formatPercent(precision, 1),
    formatPercent(recall, 1),
    formatDigits(f1),
    formatCount(own),
  ]);
  const more = classes.length - listed.length;
  const lines = [
    '',
    ...formatTable(['class', 'precision', 'recall', 'F1', 'rows'], rows, width),
    ...(more > 0 ? [`the ${listed.length} of least F1; ${more} more with --json`] : []),
  ];
  if (confusion === null || classes.length > MOST_CONFUSED) return lines;
  const names = classes.map(({ name }) => name);
  const counts = confusion.map((row, i) => [
    names[i] ?? '',
    ...row.map((count) => formatCount(count)),
  ]);
  return [...lines, '', ...formatTable(['is \\ predicted', ...names], counts, width)];
}
