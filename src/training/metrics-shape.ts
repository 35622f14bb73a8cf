import { classNames, type TableSchema } from '../data/tables/schema.js';
import {
  isOfClasses,
  type LossName,
  type LossOptions,
  outputsPerTarget,
} from '../layers/loss-names.js';
import type { ClassMetrics } from '../metrics/classification.js';
import {
  type MetricName,
  metricsOfTask,
  type MetricsTask,
  type MetricValues,
} from '../metrics/metric-names.js';
import { outputEdge } from '../model/edges.js';
import { type NetworkSpecification, outputWidth } from '../model/specification.js';
import { type OutputTransform, outputTransform } from '../models/outputs.js';

/** What the outputs of a network are judged as. Structured-cloneable. */
export interface MetricsShape {
  readonly task: MetricsTask;
  /** Of the targets, or of the classes. */
  readonly names: readonly string[];
  /** Units of each target in one of the network's; null: 1. */
  readonly scales: readonly number[] | null;
  /** Whether outputs are logits of probabilities; classes alone. */
  readonly softmax: boolean;
  /** What numbers become before they are compared: rates of their logarithms. */
  readonly curve: OutputTransform['curve'];
  /** Of numbers: an output for each; none: one output a target. */
  readonly quantiles: readonly number[];
  /** Whether labels come as zeros and ones, [classes, columns]; else as indices. */
  readonly oneHot: boolean;
}

/** What a validation found, by task; null where a metric is not defined on the rows. */
export type EvaluationMetrics =
  | {
      readonly task: 'regress';
      /** Means over the targets; of several columns of a table R² alone. */
      readonly values: MetricValues;
      /** null with very many. */
      readonly targets: readonly NamedRegression[] | null;
    }
  | {
      readonly task: 'classify';
      readonly values: MetricValues;
      /** Rows that the ROC AUC was computed on: of very many an even part. */
      readonly rocRows: number;
      readonly classes: readonly (ClassMetrics & { readonly name: string })[];
      /** [classes][classes]: rows of class i predicted as class j; null with many classes. */
      readonly confusion: readonly (readonly number[])[] | null;
    }
  | {
      readonly task: 'multilabel';
      readonly values: MetricValues;
      readonly rocRows: number;
      readonly labels: readonly NamedLabel[];
    };

/** Metrics of one yes-or-no answer; precision and recall are those of yes. */
export interface NamedLabel extends ClassMetrics {
  readonly name: string;
  readonly accuracy: number;
  /** null where all rows are the same. */
  readonly rocAuc: number | null;
}

/** Metrics of one target, in its units. */
export interface NamedRegression {
  readonly name: string;
  readonly rmse: number;
  readonly mae: number;
  /** null for a truth that is constant. */
  readonly r2: number | null;
  /** Of several quantiles: share of the rows between the least and the largest. */
  readonly coverage?: number | null;
}

/**
 * The metrics that a network's answers have.
 *
 * @param of what is trained: network and loss, whether the answers are labels, and the table's schema,
 *   or null
 */
export function metricsShape(of: {
  readonly specification: NetworkSpecification;
  readonly loss: LossName;
  readonly lossOptions: LossOptions;
  readonly labels: boolean;
  readonly schema: TableSchema | null;
}): MetricsShape {
  const { specification, loss, lossOptions, schema } = of;
  // A rank that holds some of the outputs cannot say which is the largest.
  const labels = of.labels && outputEdge(specification).spread === 'replicated';
  const each = outputsPerTarget(loss, lossOptions);
  const outputs = outputWidth(specification) / each;
  const known = labels ? schema && classNames(schema) : schema?.targets.map(({ name }) => name);
  const numbered = (_: unknown, i: number) => (labels ? String(i) : `y${i}`);
  const targets = labels ? undefined : schema?.targets;
  return {
    task: loss === 'binary-cross-entropy' ? 'multilabel' : labels ? 'classify' : 'regress',
    names: known?.length === outputs ? known : Array.from({ length: outputs }, numbered),
    scales:
      targets?.length === outputs
        ? targets.map((target) => (target.kind === 'number' ? target.scale : 1))
        : null,
    softmax: isOfClasses(loss),
    curve: outputTransform(of)?.curve ?? 'identity',
    quantiles: loss === 'quantile' ? lossOptions.quantiles : [],
    oneHot: labels && !isOfClasses(loss),
  };
}

/** The metrics that a validation of this shape gives. */
export function metricNames(shape: MetricsShape): readonly MetricName[] {
  return metricsOfTask(shape.task).filter((name) => {
    if (name === 'rmse' || name === 'mae') return isOneUnit(shape);
    if (name === 'coverage') return isBand(shape);
    return name !== 'logLoss' || shape.softmax || shape.task === 'multilabel';
  });
}

/** Columns of a table have units of their own, of which there is no mean. */
export function isOneUnit({ scales, names }: MetricsShape): boolean {
  return scales === null || names.length === 1;
}

/** Whether several quantiles of each target are predicted. */
export function isBand({ quantiles }: MetricsShape): boolean {
  return quantiles.length > 1;
}
