import { areaUnderRoc } from './roc.js';

/** How well one class is told from the others. */
export interface ClassMetrics {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Rows of the class. */
  readonly rows: number;
}

export interface ClassificationMetrics {
  readonly accuracy: number;
  /** Share of the rows whose class is among the five most probable; 1 with five classes or fewer. */
  readonly top5: number;
  /** Mean of the F1 of the classes that occur or are predicted. */
  readonly macroF1: number;
  /** Two classes: of the second; more: mean over the classes, each against the rest. NaN where a
   * class does not occur. */
  readonly rocAuc: number;
  /** Mean negative logarithm of the probability of the true class. */
  readonly logLoss: number;
  readonly classes: readonly ClassMetrics[];
  /** [classes][classes]: rows of class i that are predicted as class j. */
  readonly confusion: readonly (readonly number[])[];
}

/** Probabilities are held this far from 0 and 1 in the log loss: float32's own resolution. */
const EPSILON = 2 ** -23;

/**
 * Metrics of predicted classes.
 *
 * @param logits [rows, classes] row-major
 * @param truth [rows], class indices
 * @param classes number of classes
 */
export function classificationMetrics(
  logits: Float32Array,
  truth: ArrayLike<number>,
  classes: number,
): ClassificationMetrics {
  const rows = truth.length;
  const confusion = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  const probabilities = new Float64Array(rows * classes);
  let hits = 0;
  let amongFive = 0;
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    const first = row * classes;
    const label = truth[row] as number;
    const own = logits[first + label] as number;
    let best = 0;
    let above = 0;
    for (let c = 0; c < classes; c++) {
      const logit = logits[first + c] as number;
      if (logit > (logits[first + best] as number)) best = c;
      // Of equal logits the earlier class is the more probable one, as everywhere.
      if (logit > own || (logit === own && c < label)) above++;
    }
    let sum = 0;
    const most = logits[first + best] as number;
    for (let c = 0; c < classes; c++) {
      const value = Math.exp((logits[first + c] as number) - most);
      probabilities[first + c] = value;
      sum += value;
    }
    for (let c = 0; c < classes; c++) {
      probabilities[first + c] = (probabilities[first + c] as number) / sum;
    }
    const p = probabilities[first + label] as number;
    loss -= Math.log(Math.min(1 - EPSILON, Math.max(EPSILON, p)));
    const counts = confusion[label] as number[];
    counts[best] = (counts[best] as number) + 1;
    if (best === label) hits++;
    if (above < 5) amongFive++;
  }
  const perClass = Array.from({ length: classes }, (_, c) => metricsOf(confusion, c));
  const present = perClass.filter(
    ({ rows: own }, c) => own > 0 || confusion.some((counts) => (counts[c] as number) > 0),
  );
  return {
    accuracy: hits / rows,
    top5: amongFive / rows,
    macroF1: meanOf(present.map(({ f1 }) => f1)),
    rocAuc: rocOf(probabilities, truth, classes),
    logLoss: loss / rows,
    classes: perClass,
    confusion,
  };
}

function metricsOf(confusion: readonly (readonly number[])[], c: number): ClassMetrics {
  const rows = (confusion[c] as readonly number[]).reduce((sum, count) => sum + count, 0);
  const predicted = confusion.reduce((sum, counts) => sum + (counts[c] as number), 0);
  const hits = confusion[c]?.[c] as number;
  const precision = predicted === 0 ? 0 : hits / predicted;
  const recall = rows === 0 ? 0 : hits / rows;
  const f1 = hits === 0 ? 0 : (2 * precision * recall) / (precision + recall);
  return { precision, recall, f1, rows };
}

function rocOf(probabilities: Float64Array, truth: ArrayLike<number>, classes: number): number {
  const rows = truth.length;
  const of = (c: number) => {
    const scores = Float64Array.from(
      { length: rows },
      (_, r) => probabilities[r * classes + c] as number,
    );
    return areaUnderRoc(
      scores,
      Uint8Array.from({ length: rows }, (_, r) => Number(truth[r] === c)),
    );
  };
  if (classes === 2) return of(1);
  return meanOf(Array.from({ length: classes }, (_, c) => of(c)));
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
