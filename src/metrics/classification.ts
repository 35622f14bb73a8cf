import { ScoreSample } from './roc.js';

/** How well one class is separated from the others. */
export interface ClassMetrics {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Rows of the class; their weights, where rows have some. */
  readonly rows: number;
}

export interface ClassificationMetrics {
  readonly accuracy: number;
  /** Share of the rows whose class is among the five most probable; 1 with five classes or fewer. */
  readonly top5: number;
  /** Mean of the F1 of the classes that occur or are predicted. */
  readonly macroF1: number;
  /** Two classes: of the second; more: mean over the classes that occur, each against the rest. */
  readonly rocAuc: number;
  /** Rows that the ROC AUC was computed on. */
  readonly rocRows: number;
  /** Mean negative logarithm of the probability of the true class. */
  readonly logLoss: number;
  readonly classes: readonly ClassMetrics[];
  /** [classes][classes]: rows of class i that are predicted as class j; null with many classes. */
  readonly confusion: readonly (readonly number[])[] | null;
}

/** Probabilities are held this far from 0 and 1 in the log loss: float32's own resolution. */
const EPSILON = 2 ** -23;
/** With more classes there is no confusion matrix. */
const MOST_CONFUSED = 128;

/**
 * Metrics of predicted classes, over rows that come in batches. Kept are counts: three a class and,
 * up to 128 classes, one a pair of classes; and a `ScoreSample`.
 */
export class ClassificationSums {
  readonly #classes: number;
  readonly #softmax: boolean;
  readonly #rows: Float64Array;
  readonly #predicted: Float64Array;
  readonly #hits: Float64Array;
  readonly #confusion: Float64Array | null;
  readonly #probabilities: Float64Array;
  readonly #scores: ScoreSample;
  #weight = 0;
  #amongFive = 0;
  #loss = 0;

  /**
   * @param rows that will come
   * @param softmax whether the outputs are logits of probabilities; else larger ones are more
   *   likely, and there is no log loss
   */
  constructor(classes: number, rows: number, softmax = true) {
    this.#classes = classes;
    this.#softmax = softmax;
    this.#rows = new Float64Array(classes);
    this.#predicted = new Float64Array(classes);
    this.#hits = new Float64Array(classes);
    this.#confusion = classes <= MOST_CONFUSED ? new Float64Array(classes * classes) : null;
    this.#probabilities = new Float64Array(classes);
    this.#scores = new ScoreSample(rows, classes === 2 ? 1 : classes);
  }

  clear(): void {
    for (const sums of [this.#rows, this.#predicted, this.#hits, this.#confusion]) sums?.fill(0);
    this.#scores.clear();
    this.#weight = 0;
    this.#amongFive = 0;
    this.#loss = 0;
  }

  /**
   * @param outputs [classes, columns]
   * @param labels [columns], class indices
   * @param valid columns that count, from the first on
   * @param weights [columns], or null: all rows weigh the same
   */
  add(
    outputs: Float32Array,
    labels: ArrayLike<number>,
    valid: number,
    weights: Float32Array | null,
  ): void {
    for (let c = 0; c < valid; c++) {
      this.#addRow(outputs, c, labels[c] as number, weights === null ? 1 : (weights[c] as number));
    }
  }

  #addRow(outputs: Float32Array, column: number, label: number, weight: number): void {
    const classes = this.#classes;
    const columns = outputs.length / classes;
    const isKept = this.#scores.next(weight);
    if (weight === 0) return;
    const own = outputs[label * columns + column] as number;
    let best = 0;
    let most = outputs[column] as number;
    let above = 0;
    for (let i = 0; i < classes; i++) {
      const output = outputs[i * columns + column] as number;
      if (output > most) {
        best = i;
        most = output;
      }
      // Of equal outputs the earlier class is the more probable one, as everywhere.
      if (output > own || (output === own && i < label)) above++;
    }
    this.#weight += weight;
    if (above < 5) this.#amongFive += weight;
    this.#rows[label] = (this.#rows[label] as number) + weight;
    this.#predicted[best] = (this.#predicted[best] as number) + weight;
    if (best === label) this.#hits[best] = (this.#hits[best] as number) + weight;
    if (this.#confusion !== null) {
      const at = label * classes + best;
      this.#confusion[at] = (this.#confusion[at] as number) + weight;
    }
    const scores = this.#probabilities;
    for (let i = 0; i < classes; i++) scores[i] = outputs[i * columns + column] as number;
    if (this.#softmax) {
      toProbabilities(scores, most);
      const p = Math.min(1 - EPSILON, Math.max(EPSILON, scores[label] as number));
      this.#loss -= weight * Math.log(p);
    }
    if (!isKept) return;
    if (classes === 2) {
      const score = this.#softmax ? scores[1] : (scores[1] as number) - (scores[0] as number);
      this.#scores.add(0, score as number, label === 1);
    } else {
      for (let i = 0; i < classes; i++) this.#scores.add(i, scores[i] as number, label === i);
    }
  }

  result(): ClassificationMetrics {
    const classes = Array.from({ length: this.#classes }, (_, i) => this.#classMetrics(i));
    const present = classes.filter(({ rows }, i) => rows + (this.#predicted[i] as number) > 0);
    const sum = (values: Iterable<number>) => [...values].reduce((total, one) => total + one, 0);
    const weight = this.#weight;
    return {
      accuracy: sum(this.#hits) / weight,
      top5: this.#amongFive / weight,
      macroF1: sum(present.map(({ f1 }) => f1)) / present.length,
      rocAuc: this.#scores.meanArea(),
      rocRows: this.#scores.rows,
      logLoss: this.#softmax ? this.#loss / weight : Number.NaN,
      classes,
      confusion:
        this.#confusion &&
        classes.map((_, i) => [
          ...(this.#confusion?.subarray(i * classes.length, (i + 1) * classes.length) ?? []),
        ]),
    };
  }

  #classMetrics(i: number): ClassMetrics {
    return metricsOfCounts({
      rows: this.#rows[i] as number,
      predicted: this.#predicted[i] as number,
      hits: this.#hits[i] as number,
    });
  }
}

/** @param counts rows that are of a class, are predicted to be, and both */
export function metricsOfCounts(counts: {
  readonly rows: number;
  readonly predicted: number;
  readonly hits: number;
}): ClassMetrics {
  const { rows, predicted, hits } = counts;
  return {
    precision: predicted === 0 ? 0 : hits / predicted,
    recall: rows === 0 ? 0 : hits / rows,
    f1: hits === 0 ? 0 : (2 * hits) / (rows + predicted),
    rows,
  };
}

function toProbabilities(values: Float64Array, most: number): void {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = Math.exp((values[i] as number) - most);
    values[i] = value;
    sum += value;
  }
  for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) / sum;
}
