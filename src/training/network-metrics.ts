import type { Communicator } from '../communicators/communicator.js';
import { ClassificationSums } from '../metrics/classification.js';
import { CoverageSums } from '../metrics/coverage.js';
import { type MetricName, metricsOfTask, type MetricValues } from '../metrics/metric-names.js';
import { MultilabelSums } from '../metrics/multilabel.js';
import { RegressionSums } from '../metrics/regression.js';
import { curveOf } from '../models/outputs.js';
import { type EvaluationMetrics, isBand, isOneUnit, type MetricsShape } from './metrics-shape.js';

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
