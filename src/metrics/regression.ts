/** How far predictions of numbers are from the truth, over the rows of one target. */
export interface RegressionMetrics {
  /** Root of the mean squared error, in the target's units. */
  readonly rmse: number;
  /** Mean absolute error, in the target's units. */
  readonly mae: number;
  /** 1 − squared error / variance of the truth; NaN for a truth that is constant. */
  readonly r2: number;
}

/**
 * Metrics of one column of predictions.
 *
 * @param predicted [rows]
 * @param truth [rows]
 * @param weights [rows], or null: all rows weigh the same
 */
export function regressionMetrics(
  predicted: ArrayLike<number>,
  truth: ArrayLike<number>,
  weights: ArrayLike<number> | null = null,
): RegressionMetrics {
  let weight = 0;
  let mean = 0;
  for (let row = 0; row < truth.length; row++) {
    const w = weights?.[row] ?? 1;
    weight += w;
    mean += w * (truth[row] as number);
  }
  mean /= weight;
  let squares = 0;
  let absolute = 0;
  let variance = 0;
  for (let row = 0; row < truth.length; row++) {
    const w = weights?.[row] ?? 1;
    const error = (predicted[row] as number) - (truth[row] as number);
    squares += w * error * error;
    absolute += w * Math.abs(error);
    variance += w * ((truth[row] as number) - mean) ** 2;
  }
  return {
    rmse: Math.sqrt(squares / weight),
    mae: absolute / weight,
    r2: variance > 0 ? 1 - squares / variance : Number.NaN,
  };
}
