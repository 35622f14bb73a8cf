import { formatDigits, formatPercent } from '../base/format.js';

/** Every metric of a validation, and which values of it are better; null: one that is as it was asked for. */
export const METRICS = {
  rmse: { better: 'lower', text: 'RMSE' },
  mae: { better: 'lower', text: 'MAE' },
  r2: { better: 'higher', text: 'R²' },
  coverage: { better: null, text: 'coverage' },
  accuracy: { better: 'higher', text: 'accuracy' },
  exact: { better: 'higher', text: 'rows all right' },
  top5: { better: 'higher', text: 'top 5' },
  macroF1: { better: 'higher', text: 'macro F1' },
  rocAuc: { better: 'higher', text: 'ROC AUC' },
  logLoss: { better: 'lower', text: 'log loss' },
} as const satisfies Readonly<Record<string, { better: 'lower' | 'higher' | null; text: string }>>;

/** The name of a metric. */
export type MetricName = keyof typeof METRICS;

export const METRIC_NAMES = Object.keys(METRICS) as MetricName[];

/** Metrics that a validation can be better by. */
export const RANKED_METRICS = METRIC_NAMES.filter(
  (name): name is Exclude<MetricName, 'coverage'> => METRICS[name].better !== null,
);

/** Values by name, those of the task alone; null: not defined on these rows. */
export type MetricValues = Readonly<Partial<Record<MetricName, number | null>>>;

/** What a network is judged by: numbers, one class of several, or several yes-or-no answers. */
export type MetricsTask = 'regress' | 'classify' | 'multilabel';

const OF_TASK: Readonly<Record<MetricsTask, readonly MetricName[]>> = {
  regress: ['rmse', 'mae', 'r2', 'coverage'],
  classify: ['accuracy', 'top5', 'macroF1', 'rocAuc', 'logLoss'],
  multilabel: ['accuracy', 'exact', 'macroF1', 'rocAuc', 'logLoss'],
};

/** The metrics of a task, in the order in which they are shown. */
export function metricsOfTask(task: MetricsTask): readonly MetricName[] {
  return OF_TASK[task];
}

const SHARES: ReadonlySet<MetricName> = new Set(['accuracy', 'exact', 'top5', 'coverage']);

/** `RMSE 4.21`, `accuracy 87.50%`; a dash for what is not defined. */
export function metricText(name: MetricName, value: number | null): string {
  return `${METRICS[name].text} ${metricValueText(name, value)}`;
}

/** `4.21`, `87.50%`; a dash for what is not defined. */
export function metricValueText(name: MetricName, value: number | null): string {
  if (value === null) return '–';
  return SHARES.has(name) ? formatPercent(value) : formatDigits(value);
}
