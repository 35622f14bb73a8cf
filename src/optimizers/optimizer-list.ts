import { adam } from './adam.js';
import { sgd } from './sgd.js';
import type { OptimizerDescription } from './update.js';

const MOMENTS = ['first_moment', 'second_moment'] as const;

/**
 * `sgd`: w −= lr · g. `momentum`: v = μv + g, w −= lr · (g + μv). `adam`: arXiv:1412.6980.
 * `adamw`: arXiv:1711.05101. Weight decay is added to the gradient (g + λw), but for `adamw`, which
 * takes lr · λ · w off the weights. The definitions are those of PyTorch's optimizers.
 */
export const OPTIMIZERS = {
  sgd: { states: [], updateFlops: 2, create: sgd(false) },
  momentum: { states: ['velocity'], updateFlops: 6, create: sgd(true) },
  adam: { states: MOMENTS, updateFlops: 13, create: adam(false) },
  adamw: { states: MOMENTS, updateFlops: 15, create: adam(true) },
} as const satisfies Readonly<Record<string, OptimizerDescription>>;

/** The name of an optimizer. */
export type OptimizerName = keyof typeof OPTIMIZERS;

export const OPTIMIZER_NAMES = Object.keys(OPTIMIZERS) as OptimizerName[];

/** float32 numbers that an optimizer keeps for each parameter. */
export function optimizerStatesPerParameter(optimizer: OptimizerName): number {
  return OPTIMIZERS[optimizer].states.length;
}
