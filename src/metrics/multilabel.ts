import { type ClassMetrics, metricsOfCounts } from './classification.js';
import { ScoreSample } from './roc.js';

/** How well one yes-or-no answer is predicted; precision and recall are those of "yes". */
export interface LabelMetrics extends ClassMetrics {
  readonly accuracy: number;
  readonly rocAuc: number;
}

/** How well several yes-or-no answers are predicted. */
export interface MultilabelMetrics {
  /** Share of all answers that are right, at a probability of one half. */
  readonly accuracy: number;
  /** Share of the rows of which every answer is right. */
  readonly exact: number;
  /** Mean F1 over the targets. */
  readonly macroF1: number;
  /** Mean over the targets that are not the same in every row. */
  readonly rocAuc: number;
  /** Rows that the ROC AUC was computed on. */
  readonly rocRows: number;
  /** Mean binary cross-entropy over rows and targets. */
  readonly logLoss: number;
  readonly labels: readonly LabelMetrics[];
}

/** Metrics of several yes-or-no answers, over rows that come in batches: counts of each answer, and
 * a `ScoreSample`. */
export class MultilabelSums {
  readonly #targets: number;
  readonly #rows: Float64Array;
  readonly #predicted: Float64Array;
  readonly #hits: Float64Array;
  readonly #right: Float64Array;
  readonly #scores: ScoreSample;
  #weight = 0;
  #exact = 0;
  #loss = 0;

  /** @param rows that will come */
  constructor(targets: number, rows: number) {
    this.#targets = targets;
    this.#rows = new Float64Array(targets);
    this.#predicted = new Float64Array(targets);
    this.#hits = new Float64Array(targets);
    this.#right = new Float64Array(targets);
    this.#scores = new ScoreSample(rows, targets);
  }

  clear(): void {
    for (const sums of [this.#rows, this.#predicted, this.#hits, this.#right]) sums.fill(0);
    this.#scores.clear();
    this.#weight = 0;
    this.#exact = 0;
    this.#loss = 0;
  }

  /**
   * @param logits [targets, columns]
   * @param truth [targets, columns], 0 or 1
   * @param valid columns that count, from the first on
   * @param weights [columns], or null: all rows weigh the same
   */
  add(
    logits: Float32Array,
    truth: Float32Array,
    valid: number,
    weights: Float32Array | null,
  ): void {
    const columns = logits.length / this.#targets;
    const plus = (sums: Float64Array, t: number, weight: number) => {
      sums[t] = (sums[t] as number) + weight;
    };
    for (let c = 0; c < valid; c++) {
      const weight = weights === null ? 1 : (weights[c] as number);
      const isKept = this.#scores.next(weight);
      let right = 0;
      for (let t = 0; t < this.#targets; t++) {
        const logit = logits[t * columns + c] as number;
        const yes = truth[t * columns + c] as number;
        // log(1 + exp(x)) without overflow.
        const softplus = Math.max(logit, 0) + Math.log1p(Math.exp(-Math.abs(logit)));
        this.#loss += weight * (softplus - logit * yes);
        const claim = logit >= 0 ? 1 : 0;
        plus(this.#predicted, t, weight * claim);
        plus(this.#rows, t, weight * yes);
        plus(this.#hits, t, weight * claim * yes);
        if (claim === yes) {
          plus(this.#right, t, weight);
          right++;
        }
        if (isKept) this.#scores.add(t, logit, yes === 1);
      }
      this.#weight += weight;
      if (right === this.#targets) this.#exact += weight;
    }
  }

  result(): MultilabelMetrics {
    const weight = this.#weight;
    const labels = Array.from({ length: this.#targets }, (_, t) => ({
      ...metricsOfCounts({
        rows: this.#rows[t] as number,
        predicted: this.#predicted[t] as number,
        hits: this.#hits[t] as number,
      }),
      accuracy: (this.#right[t] as number) / weight,
      rocAuc: this.#scores.area(t),
    }));
    const mean = (of: (label: LabelMetrics) => number) =>
      labels.reduce((sum, label) => sum + of(label), 0) / labels.length;
    return {
      accuracy: mean(({ accuracy }) => accuracy),
      exact: this.#exact / weight,
      macroF1: mean(({ f1 }) => f1),
      rocAuc: this.#scores.meanArea(),
      rocRows: this.#scores.rows,
      logLoss: this.#loss / (weight * this.#targets),
      labels,
    };
  }
}
