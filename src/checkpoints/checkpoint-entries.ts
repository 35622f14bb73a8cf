import type { Parameter } from '../autograd/tape.js';
import type { OptimizerState } from '../optimizers/update.js';
import type { Tensor } from '../tensor/tensor.js';

/** A tensor of a checkpoint, as one rank holds it: whole, or a part of a matrix that is sliced. */
export interface Entry {
  readonly name: string;
  readonly parameter: Parameter;
  readonly tensor: Tensor;
}

export const KINDS = ['model', 'optimizer'] as const;
export type Kind = (typeof KINDS)[number];

/** What one rank holds of a kind. */
export function entriesOf(
  kind: Kind,
  parameters: readonly Parameter[],
  optimizerState: readonly OptimizerState[],
): Entry[] {
  return kind === 'model'
    ? parameters.map((parameter) => ({
        name: parameter.name,
        parameter,
        tensor: parameter.value,
      }))
    : [...optimizerState];
}
