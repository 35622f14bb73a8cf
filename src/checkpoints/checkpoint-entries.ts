import type { Parameter } from '../autograd/tape.js';
import type { OptimizerState } from '../optimizers/update.js';
import type { Tensor } from '../tensor/tensor.js';

/** A tensor of a checkpoint, as one rank holds it: whole, or a part of a matrix that is sliced. */
export interface Entry {
  readonly name: string;
  readonly parameter: Parameter;
  readonly tensor: Tensor;
}

/** What one rank holds of a network that is trained. */
export interface TrainedTensors {
  readonly parameters: readonly Parameter[];
  readonly optimizerState: readonly OptimizerState[];
  /** A moving average of the weights; null, the default: there is none. */
  readonly average?: readonly OptimizerState[] | null;
}

export const KINDS = ['model', 'optimizer', 'average'] as const;
export type Kind = (typeof KINDS)[number];

/** `model.safetensors.index.json` */
export function indexName(kind: Kind): string {
  return `${kind}.safetensors.index.json`;
}

/** What one rank holds of a kind; the same kinds are empty on every rank. */
export function entriesOf(kind: Kind, tensors: TrainedTensors): readonly Entry[] {
  if (kind === 'optimizer') return tensors.optimizerState;
  if (kind === 'average') return tensors.average ?? [];
  return tensors.parameters.map((parameter) => ({
    name: parameter.name,
    parameter,
    tensor: parameter.value,
  }));
}

/** Which tensors are the network's answer: the average of its weights, where files have one. */
export function weightsKind(has: (file: string) => boolean): Exclude<Kind, 'optimizer'> {
  return has(indexName('average')) ? 'average' : 'model';
}
