import { areaUnderRoc } from './roc.js';

/** How well several yes-or-no answers are predicted. */
export interface MultilabelMetrics {
  /** Share of all answers that are right, at a probability of one half. */
  readonly accuracy: number;
  /** Share of the rows of which every answer is right. */
  readonly exact: number;
  /** Mean F1 over the targets. */
  readonly macroF1: number;
  /** Mean over the targets; NaN where one is the same in every row. */
  readonly rocAuc: number;
  /** Mean binary cross-entropy over rows and targets. */
  readonly logLoss: number;
}

/**
 * @param logits [rows, targets] row-major
 * @param truth [rows, targets] row-major, 0 or 1
 */
export function multilabelMetrics(
  logits: Float32Array,
  truth: ArrayLike<number>,
  targets: number,
): MultilabelMetrics {
  const rows = truth.length / targets;
  const right = new Uint32Array(rows);
  let loss = 0;
  let f1 = 0;
  let roc = 0;
  for (let t = 0; t < targets; t++) {
    const scores = new Float64Array(rows);
    const positive = new Uint8Array(rows);
    let [hits, claimed, present] = [0, 0, 0];
    for (let row = 0; row < rows; row++) {
      const logit = logits[row * targets + t] as number;
      const yes = truth[row * targets + t] as number;
      // log(1 + exp(x)) without overflow.
      loss += Math.max(logit, 0) - logit * yes + Math.log1p(Math.exp(-Math.abs(logit)));
      scores[row] = logit;
      positive[row] = yes;
      const claim = Number(logit >= 0);
      claimed += claim;
      present += yes;
      hits += claim * yes;
      if (claim === yes) right[row] = (right[row] as number) + 1;
    }
    f1 += claimed + present === 0 ? 0 : (2 * hits) / (claimed + present);
    roc += areaUnderRoc(scores, positive);
  }
  return {
    accuracy: right.reduce((sum, count) => sum + count, 0) / (rows * targets),
    exact: right.filter((count) => count === targets).length / rows,
    macroF1: f1 / targets,
    rocAuc: roc / targets,
    logLoss: loss / (rows * targets),
  };
}
