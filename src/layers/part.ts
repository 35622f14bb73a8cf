import type { Activation } from '../engines/activations.js';
import type { Dtype } from '../tensor/tensor.js';
import type { OperationList } from './operation-list.js';
import type { LayerMemory, LayerPlace, Spread } from './outline.js';

/** What stands before or after a linear layer: what its operator calls and allocates, by sizes. */
export interface LayerPart {
  readonly name: string;
  /** Whether its operator takes what entered the block too, as the second input. */
  readonly joins: boolean;
  /** Whether it takes the layer's bias. */
  readonly takesBias: boolean;
  forward(list: OperationList): void;
  backward(list: OperationList, inputNeedsGradient: boolean): void;
  memory(place: LayerPlace): LayerMemory;
  readonly operator: PartOperator;
}

/** Which operator a part is, and of what it is made: `part-operators.ts` makes it. */
export type PartOperator =
  | {
      readonly type: 'activation';
      readonly activation: Activation;
      readonly written: Dtype;
      readonly gradient: Dtype;
    }
  | { readonly type: 'gate'; readonly activation: Activation; readonly gradient: Dtype }
  | { readonly type: 'residual'; readonly gradient: Dtype }
  | {
      readonly type: 'dropout';
      readonly rate: number;
      readonly layer: number;
      /** Rows of a block that only its rank has; 0: every rank has all. */
      readonly blockRows: number;
    }
  | { readonly type: 'rms norm'; readonly features: number; readonly spread: Spread }
  | { readonly type: 'rounded' | 'join' | 'split' };

/** A part by what its operator and sizes say of it. */
export const PLAIN_PART = { joins: false, takesBias: false } as const;
