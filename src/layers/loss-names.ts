import { type ElementLossName, ELEMENT_LOSSES } from '../engines/element-losses.js';

/** Losses that a network is trained with; `training/objective.ts` makes their operators. */
export const LOSSES = [
  ...(Object.keys(ELEMENT_LOSSES) as ElementLossName[]),
  'cross-entropy',
] as const;
/** One of `LOSSES`. */
export type LossName = (typeof LOSSES)[number];

/** Whether the loss is of one class of several; else of numbers. */
export const isOfClasses = (loss: LossName): loss is 'cross-entropy' => loss === 'cross-entropy';

/** Whether the loss is a sum over targets with one output each, so that a rank can compute it on the
 * rows of the output that it holds. */
export function canBeSharded(loss: LossName): boolean {
  return !isOfClasses(loss) && loss !== 'quantile' && loss !== 'binary-cross-entropy';
}

export const isLossName = (value: unknown): value is LossName =>
  LOSSES.some((loss) => loss === value);

/** What a loss takes besides its name. */
export interface LossOptions {
  /** Distance up to which the Huber loss is a square, in the network's units. */
  readonly huberDelta: number;
  /** Each target has an output for each of them; none: one output. */
  readonly quantiles: readonly number[];
  /** Share of the target that is spread over all classes. */
  readonly labelSmoothing: number;
}

/** One output a target, δ = 1, no smoothing. */
export const USUAL_LOSS: LossOptions = { huberDelta: 1, quantiles: [], labelSmoothing: 0 };

/** Outputs for each target. */
export function outputsPerTarget(loss: LossName, { quantiles }: LossOptions): number {
  return loss === 'quantile' ? quantiles.length : 1;
}
