import type { Nonlinearity } from '../engines/activations.js';
import type { GhostPrecision } from '../tensor/precision.js';
import type { Dtype, ParameterSlice } from '../tensor/tensor.js';
import type { BlockLayout } from './block-layout.js';
import type { OperationList } from './operation-list.js';

/** Whether an activation is split over the blocks by rows, or the same on every rank. */
export type Spread = 'sharded' | 'replicated';

/** One linear layer of a network, by its sizes alone. */
export interface LayerSizes {
  /** What the names of its tensors begin with: `input`, `layers.0`, …, `head`. */
  readonly name: string;
  /** Whether checkpoints hold its matrix whole, as of `input` and `head`, or block by block. */
  readonly storedWhole: boolean;
  /** P */
  readonly blocks: number;
  /** Features that enter, of all blocks together. Of a sharded input each block has
   * m = inputs / P. */
  readonly inputs: number;
  /** Features that leave, likewise: n = outputs / P of each block. */
  readonly outputs: number;
  /** K, for kinds that have ghosts. */
  readonly ghosts: number;
  readonly ghostPrecision: GhostPrecision;
  /** φ on ghosts before they are sent; null: they are linear. */
  readonly ghostActivation: Nonlinearity | null;
  /** What products take; they give float32. With bfloat16, what a `gather` layer exchanges is
   * bfloat16 too, and ghosts are bfloat16 or int8. */
  readonly compute: Dtype;
  /** q, the mean square of what enters a network of random weights. */
  readonly secondMoment: number;
  /** v of what leaves it then; 1 but in residual blocks. */
  readonly outputVariance: number;
  /** Whether every sample is divided by its root mean square on the way in; `phantom`, `gather`. */
  readonly normalized: boolean;
}

/** One tensor of one block. */
export interface ParameterShape {
  /** What it is in its layer: `weight`, `bias`, `local`, … */
  readonly part: string;
  readonly shape: readonly number[];
  /** Of the uniform distribution that it starts from; 0: it starts at zero. */
  readonly variance: number;
  /** Where it is in the layer's whole tensor of that name; null: it is the block's own. */
  readonly place: ParameterSlice | null;
}

/** Where one rank runs a layer. */
export interface LayerPlace {
  readonly layout: BlockLayout;
  /** B */
  readonly columns: number;
  /** Whether the gradient of the layer's input is computed. */
  readonly inputNeedsGradient: boolean;
  /** Whether that gradient has memory already, to which this one is added. Default: not. */
  readonly gradientGiven?: boolean;
}

/** Bytes that one rank allocates for a layer, without parameters and their gradients. */
export interface LayerMemory {
  /** What the forward pass saves and the gradient of the input. */
  readonly activationBytes: number;
  /** What collectives read and write, and what sums over the rank's blocks need. */
  readonly bufferBytes: number;
  /** Of all this, what is kept where the layer is made again in the backward pass (`keptBuffer`). Left
   * out: nothing. */
  readonly keptBytes?: number;
}

/**
 * What is known of a kind of linear layer, from [inputs, B] to [outputs, B], by sizes alone: its
 * tensors, and what its operator calls and allocates. `analysis` loads these, and no operator; a test
 * compares every number with what the operator really does.
 */
export interface LayerOutline {
  readonly name: string;
  readonly input: Spread;
  readonly output: Spread;
  /** How `backward` hands on the gradient of its input: added to what is there (`gradient`), or as a
   * tensor of its own (`giveGradient`). */
  readonly inputGradient: 'added' | 'given';
  /**
   * The tensors of one block, in the order in which the operator takes them. The bias of a sharded
   * output is not among them: it is added with the activation. That of a replicated output is.
   */
  parameters(layer: LayerSizes, block: number): readonly ParameterShape[];
  /** Lists what the operator's `forward` calls on one rank, in order. */
  forward(layer: LayerSizes, list: OperationList): void;
  /** Lists what its `backward` calls. */
  backward(layer: LayerSizes, list: OperationList, inputNeedsGradient: boolean): void;
  /** What the operator allocates on one rank. */
  memory(layer: LayerSizes, place: LayerPlace): LayerMemory;
}
