import type { Communicator } from '../communicators/communicator.js';
import { classNames, type TableSchema } from '../data/tables/schema.js';
import {
  isOfClasses,
  type LossName,
  type LossOptions,
  outputsPerTarget,
} from '../layers/loss-names.js';
import { curveOf, type OutputTransform, outputTransform } from '../models/outputs.js';
import { type ClassMetrics, ClassificationSums } from '../metrics/classification.js';
import {
  type MetricName,
  metricsOfTask,
  type MetricsTask,
  type MetricValues,
} from '../metrics/metric-names.js';
import { outputEdge } from '../model/edges.js';
import { type NetworkSpecification, outputWidth } from '../model/specification.js';
import { MultilabelSums } from '../metrics/multilabel.js';
import { CoverageSums } from '../metrics/coverage.js';
import { RegressionSums } from '../metrics/regression.js';

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

/** The metrics that a network's answers have. @param of what is trained: network and loss, whether the answers are labels, and the table's
 *   schema, or null */
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
function isOneUnit({ scales, names }: MetricsShape): boolean {
  return scales === null || names.length === 1;
}

function isBand({ quantiles }: MetricsShape): boolean {
  return quantiles.length > 1;
}

/** Metrics of a network over batches, on one rank of those that hold it. */
export interface NetworkMetrics {
  /** Forgets the batches. */
  clear(): void;
  /**
   * @param output [outputs, columns], or the rank's rows of it, and rows that fill up its blocks
   * @param y the batch's answers, as the loss reads them
   * @param valid columns that count, from the first on
   * @param weights [columns], or null: all samples count the same
   */
  add(output: Float32Array, y: Float32Array, valid: number, weights: Float32Array | null): void;
  /** Sums over ranks: every one calls it.
   * @returns the values, on every rank the same, and on rank 0 all that is known */
  finish(): FoundMetrics;
}

export interface FoundMetrics {
  readonly values: MetricValues;
  /** null on other ranks than the first. */
  readonly all: EvaluationMetrics | null;
}

/** What metrics are computed with. */
export interface NetworkMetricsOptions {
  readonly shape: MetricsShape;
  /** Of a pass. */
  readonly rows: number;
  /** All ranks. */
  readonly control: Communicator;
  /** Whether this rank computes: each where it has rows of the output, else the first. */
  readonly counts: boolean;
  /** Targets on this rank, and the first of them. */
  readonly outputsHere: number;
  /** With those that fill up its blocks. */
  readonly outputsHeld: number;
  readonly firstOutput: number;
}

export function createNetworkMetrics(options: NetworkMetricsOptions): NetworkMetrics {
  const { task } = options.shape;
  if (task === 'regress') return new NumbersMetrics(options);
  return task === 'classify' ? new ClassesMetrics(options) : new LabelsMetrics(options);
}

const orNull = (value: number) => (Number.isNaN(value) ? null : value);
/** Targets that are listed one by one. */
const MOST_TARGETS = 1024;
const READINGS = ['rmse', 'mae', 'r2', 'coverage'] as const;

/** Each rank judges its own targets, and writes four numbers for each among zeros, which are summed
 * over ranks. */
class NumbersMetrics implements NetworkMetrics {
  readonly #options: NetworkMetricsOptions;
  readonly #sums: RegressionSums;
  /** Of bands of quantiles. */
  readonly #coverage: CoverageSums;
  /** [targets, 4] */
  readonly #readings: Float64Array;
  /** Which of the quantiles is nearest to the median. */
  readonly #middle: number;
  #scratch = new Float32Array(0);

  constructor(options: NetworkMetricsOptions) {
    this.#options = options;
    this.#sums = new RegressionSums(options.outputsHere);
    this.#coverage = new CoverageSums(options.outputsHere);
    const distances = options.shape.quantiles.map((tau) => Math.abs(tau - 0.5));
    this.#middle = Math.max(0, distances.indexOf(Math.min(...distances)));
    this.#readings = new Float64Array(READINGS.length * options.shape.names.length);
  }

  clear(): void {
    this.#sums.clear();
    this.#coverage.clear();
  }

  add(output: Float32Array, y: Float32Array, valid: number, weights: Float32Array | null): void {
    const { counts, outputsHere, outputsHeld } = this.#options;
    if (!counts) return;
    // Without rows that only fill up the blocks.
    const [z, truth] = [output, y].map((all) =>
      all.subarray(0, (all.length / outputsHeld) * outputsHere),
    ) as [Float32Array, Float32Array];
    this.#sums.add(this.#predictions(z, truth), truth, valid, weights);
    const { quantiles } = this.#options.shape;
    const columns = truth.length / outputsHere;
    for (let t = 0; isBand(this.#options.shape) && t < outputsHere; t++) {
      const row = (of: Float32Array, i: number) => of.subarray(i * columns, (i + 1) * columns);
      const first = t * quantiles.length;
      const band = { lower: row(z, first), upper: row(z, first + quantiles.length - 1) };
      this.#coverage.add(t, band, row(truth, t), { valid, weights });
    }
  }

  /** One number for each target: of quantiles the one nearest to the median. */
  #predictions(output: Float32Array, y: Float32Array): Float32Array {
    const { curve, quantiles } = this.#options.shape;
    if (curve === 'identity' && quantiles.length === 0) return output;
    if (this.#scratch.length !== y.length) this.#scratch = new Float32Array(y.length);
    const to = this.#scratch;
    const each = Math.max(1, quantiles.length);
    const columns = y.length / this.#options.outputsHere;
    for (let t = 0; t < this.#options.outputsHere; t++) {
      const row = t * each + this.#middle;
      to.set(output.subarray(row * columns, (row + 1) * columns), t * columns);
    }
    if (curve !== 'identity') for (const [i, z] of to.entries()) to[i] = curveOf(curve, z);
    return to;
  }

  finish(): FoundMetrics {
    const { shape, control, counts, outputsHere, firstOutput } = this.#options;
    const { names, scales } = shape;
    this.#readings.fill(0);
    for (let t = 0; t < (counts ? outputsHere : 0); t++) {
      const target = firstOutput + t;
      const coverage = isBand(shape) ? this.#coverage.shareOf(t) : 0;
      const found = { ...this.#sums.metricsOf(t, scales?.[target] ?? 1), coverage };
      for (const [i, name] of READINGS.entries()) {
        this.#readings[target * READINGS.length + i] = found[name];
      }
    }
    control.allReduceSum(this.#readings);
    const of = (target: number, i: number) => this.#readings[target * READINGS.length + i] ?? NaN;
    const mean = (i: number) => {
      const known = names.map((_, t) => of(t, i)).filter((value) => !Number.isNaN(value));
      return orNull(known.reduce((sum, value) => sum + value, 0) / known.length);
    };
    const values: MetricValues = {
      ...(isOneUnit(shape) && { rmse: mean(0), mae: mean(1) }),
      r2: mean(2),
      ...(isBand(shape) && { coverage: mean(3) }),
    };
    if (control.rank !== 0) return { values, all: null };
    if (names.length > MOST_TARGETS)
      return { values, all: { task: 'regress', values, targets: null } };
    const targets = names.map((name, t) => ({
      name,
      rmse: of(t, 0),
      mae: of(t, 1),
      r2: orNull(of(t, 2)),
      ...(isBand(shape) && { coverage: orNull(of(t, 3)) }),
    }));
    return { values, all: { task: 'regress', values, targets } };
  }
}

/** The first rank judges; the others get its values. */
class ClassesMetrics implements NetworkMetrics {
  readonly #options: NetworkMetricsOptions;
  readonly #sums: ClassificationSums | null;
  #labels = new Int32Array(0);

  constructor(options: NetworkMetricsOptions) {
    const { shape, rows, counts } = options;
    this.#options = options;
    this.#sums = counts ? new ClassificationSums(shape.names.length, rows, shape.softmax) : null;
  }

  clear(): void {
    this.#sums?.clear();
  }

  add(output: Float32Array, y: Float32Array, valid: number, weights: Float32Array | null): void {
    this.#sums?.add(output, this.#labelsOf(y, output.length), valid, weights);
  }

  /** Labels of zeros and ones as indices. */
  #labelsOf(y: Float32Array, outputs: number): ArrayLike<number> {
    const { oneHot, names } = this.#options.shape;
    if (!oneHot) return y;
    const columns = outputs / names.length;
    if (this.#labels.length !== columns) this.#labels = new Int32Array(columns);
    for (let i = 0; i < y.length; i++) {
      if (y[i] === 1) this.#labels[i % columns] = Math.floor(i / columns);
    }
    return this.#labels;
  }

  finish(): FoundMetrics {
    const { shape } = this.#options;
    const found = this.#sums?.result() ?? null;
    const values = shared(this.#options, found);
    if (found === null) return { values, all: null };
    const { rocRows, confusion } = found;
    const classes = found.classes.map((own, i) => ({ name: shape.names[i] ?? '', ...own }));
    return { values, all: { task: 'classify', values, rocRows, classes, confusion } };
  }
}

/** Of several yes-or-no answers too. */
class LabelsMetrics implements NetworkMetrics {
  readonly #options: NetworkMetricsOptions;
  readonly #sums: MultilabelSums | null;

  constructor(options: NetworkMetricsOptions) {
    this.#options = options;
    const { shape, rows, counts } = options;
    this.#sums = counts ? new MultilabelSums(shape.names.length, rows) : null;
  }

  clear(): void {
    this.#sums?.clear();
  }

  add(output: Float32Array, y: Float32Array, valid: number, weights: Float32Array | null): void {
    this.#sums?.add(output, y, valid, weights);
  }

  finish(): FoundMetrics {
    const { shape } = this.#options;
    const found = this.#sums?.result() ?? null;
    const values = shared(this.#options, found);
    if (found === null) return { values, all: null };
    const labels = found.labels.map((own, i) => ({
      name: shape.names[i] ?? '',
      ...own,
      rocAuc: orNull(own.rocAuc),
    }));
    return { values, all: { task: 'multilabel', values, rocRows: found.rocRows, labels } };
  }
}

/** The values that the first rank found, on every rank. */
function shared(
  { shape, control }: NetworkMetricsOptions,
  found: Partial<Record<MetricName, number>> | null,
): MetricValues {
  const names = metricsOfTask(shape.task);
  const values = Float64Array.from(names, (name) => found?.[name] ?? 0);
  control.allReduceSum(values);
  return Object.fromEntries(names.map((name, i) => [name, orNull(values[i] ?? Number.NaN)]));
}
