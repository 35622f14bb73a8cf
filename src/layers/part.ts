import type { Operator } from '../autograd/operator.js';
import type { BlockLayout } from './block-layout.js';
import type { LayerMemory, LayerPlace } from './kind.js';
import type { OperationList } from './operation-list.js';

/** What stands before or after a linear layer, and what its operator calls and allocates. */
export interface LayerPart {
  readonly name: string;
  /** Whether its operator takes what entered the block too, as the second input. */
  readonly joins: boolean;
  /** Whether it takes the layer's bias. */
  readonly takesBias: boolean;
  forward(list: OperationList): void;
  backward(list: OperationList, inputNeedsGradient: boolean): void;
  memory(place: LayerPlace): LayerMemory;
  operator(layout: BlockLayout): Operator;
}

/** A part by what its operator and sizes say of it. */
export const PLAIN_PART = { joins: false, takesBias: false } as const;
