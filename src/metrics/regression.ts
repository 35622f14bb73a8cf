/** How far predictions of numbers are from the truth, over the rows of one target. */
export interface RegressionMetrics {
  /** Root of the mean squared error, in the target's units. */
  readonly rmse: number;
  /** Mean absolute error, in the target's units. */
  readonly mae: number;
  /** 1 − squared error / variance of the truth; NaN for a truth that is constant. */
  readonly r2: number;
}

/** Sums of a target: weights, mean of the truth and squares about it, squared and absolute errors. */
const SUMS = 5;

/** Metrics of predicted numbers from sums over rows that come in batches: five numbers a target. */
export class RegressionSums {
  readonly #targets: number;
  readonly #sums: Float64Array;

  constructor(targets: number) {
    this.#targets = targets;
    this.#sums = new Float64Array(SUMS * targets);
  }

  clear(): void {
    this.#sums.fill(0);
  }

  /**
   * @param predicted [targets, columns]
   * @param truth [targets, columns]
   * @param valid columns that count, from the first on
   * @param weights [columns], or null: all rows weigh the same
   */
  add(
    predicted: Float32Array,
    truth: Float32Array,
    valid: number,
    weights: Float32Array | null,
  ): void {
    const targets = this.#targets;
    const columns = predicted.length / targets;
    for (let t = 0; t < targets; t++) {
      const own = this.#sums.subarray(t * SUMS, (t + 1) * SUMS);
      let [weight = 0, mean = 0, spread = 0, squares = 0, absolute = 0] = own;
      for (let c = 0; c < valid; c++) {
        const w = weights === null ? 1 : (weights[c] as number);
        if (w === 0) continue;
        const y = truth[t * columns + c] as number;
        const error = (predicted[t * columns + c] as number) - y;
        squares += w * error * error;
        absolute += w * Math.abs(error);
        weight += w;
        const distance = y - mean;
        mean += (w / weight) * distance;
        spread += w * distance * (y - mean);
      }
      own.set([weight, mean, spread, squares, absolute]);
    }
  }

  /** @param scale of target t: its units in one of the network's */
  metricsOf(t: number, scale = 1): RegressionMetrics {
    const [weight = 0, , spread = 0, squares = 0, absolute = 0] = this.#sums.subarray(t * SUMS);
    return {
      rmse: scale * Math.sqrt(squares / weight),
      mae: (scale * absolute) / weight,
      r2: spread > 0 ? 1 - squares / spread : Number.NaN,
    };
  }
}
