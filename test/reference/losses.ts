/** Losses in float64 by plain loops, for outputs [rows, B]. */
import type { ElementLossName } from '#src/engines/element-losses.js';
import { type LossOptions, USUAL_LOSS } from '#src/layers/loss-names.js';
import { type Dense, get, zeros } from './matrix.js';

interface ElementReference {
  /** Of an output z, a target y and the loss's parameter. */
  readonly value: (z: number, y: number, p: number) => number;
  /** Its derivative by z. */
  readonly slope: (z: number, y: number, p: number) => number;
}

const towardsHalf = (y: number, p: number) => y * (1 - p) + p / 2;

export const REFERENCE_LOSSES: Readonly<Record<ElementLossName, ElementReference>> = {
  mse: { value: (z, y) => (z - y) ** 2, slope: (z, y) => 2 * (z - y) },
  mae: { value: (z, y) => Math.abs(z - y), slope: (z, y) => Math.sign(z - y) },
  huber: {
    value: (z, y, p) => (Math.abs(z - y) <= p ? (z - y) ** 2 / 2 : p * (Math.abs(z - y) - p / 2)),
    slope: (z, y, p) => Math.max(-p, Math.min(p, z - y)),
  },
  quantile: {
    value: (z, y, p) => Math.max(p * (y - z), (p - 1) * (y - z)),
    slope: (z, y, p) => (z > y ? 1 - p : z < y ? -p : 0),
  },
  poisson: {
    value: (z, y) => Math.exp(z) - y * z + (y > 0 ? y * Math.log(y) - y : 0),
    slope: (z, y) => Math.exp(z) - y,
  },
  'binary-cross-entropy': {
    value: (z, y, p) => Math.log1p(Math.exp(-Math.abs(z))) + Math.max(z, 0) - z * towardsHalf(y, p),
    slope: (z, y, p) => 1 / (1 + Math.exp(-z)) - towardsHalf(y, p),
  },
};

export interface ReferenceLoss {
  readonly loss: string;
  readonly lossOptions?: LossOptions;
  /** Of the columns; null: one each. */
  readonly weights?: readonly number[] | null;
}

/** @param y [targets, B], or [1, B] labels for cross-entropy */
export function referenceLoss(of: ReferenceLoss, z: Dense, y: Dense) {
  const { lossOptions = USUAL_LOSS, weights = null } = of;
  const weightOf = (b: number) => weights?.[b] ?? 1;
  if (of.loss === 'cross-entropy') return crossEntropy(z, y, lossOptions.labelSmoothing, weightOf);
  const name = of.loss as ElementLossName;
  const { huberDelta, quantiles, labelSmoothing } = lossOptions;
  const each = name === 'quantile' ? quantiles.length : 1;
  const gradient = zeros(z.rows, z.columns);
  const count = z.rows * z.columns;
  let loss = 0;
  for (let row = 0; row < z.rows; row++) {
    const parameter =
      {
        huber: huberDelta,
        quantile: quantiles[row % each],
        'binary-cross-entropy': labelSmoothing,
      }[name as 'huber'] ?? 0;
    const { value, slope } = REFERENCE_LOSSES[name];
    for (let b = 0; b < z.columns; b++) {
      const [output, target] = [get(z, row, b), get(y, Math.floor(row / each), b)];
      loss += (weightOf(b) * value(output, target, parameter)) / count;
      gradient.data[row * z.columns + b] = (weightOf(b) * slope(output, target, parameter)) / count;
    }
  }
  return { loss, gradient, correct: Number.NaN };
}

function crossEntropy(z: Dense, y: Dense, smoothing: number, weightOf: (b: number) => number) {
  const gradient = zeros(z.rows, z.columns);
  let loss = 0;
  let correct = 0;
  for (let b = 0; b < z.columns; b++) {
    const logits = Array.from({ length: z.rows }, (_, c) => get(z, c, b));
    const largest = Math.max(...logits);
    const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
    const label = y.data[b];
    const weight = weightOf(b) / z.columns;
    if (logits.indexOf(largest) === label) correct++;
    for (const [c, logit] of logits.entries()) {
      const target = (c === label ? 1 - smoothing : 0) + smoothing / z.rows;
      const logarithm = logit - largest - Math.log(sum);
      loss -= weight * target * logarithm;
      gradient.data[c * z.columns + b] = weight * (Math.exp(logarithm) - target);
    }
  }
  return { loss, gradient, correct };
}
