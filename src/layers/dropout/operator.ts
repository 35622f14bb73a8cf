import type { Operator, OperatorContext } from '../../autograd/operator.js';
import type { DropoutMask } from '../../engines/engine.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { DropoutDraws } from './draws.js';

/** What a dropout operator is made with. */
export interface DropoutOptions {
  /** p, the share that is dropped: above 0, below 1. */
  readonly rate: number;
  /** Place of the layer in its network. */
  readonly layer: number;
  /** Of the rank's first row, among all rows of the layer. */
  readonly firstRow: number;
}

/**
 * Sets a share of all elements to zero and scales the others, so that means stay (inverted dropout);
 * element-wise, so each rank works on its own rows. Without draws, as in an evaluation, it copies.
 *
 * | tensor | shape | |
 * |---|---|---|
 * | a | [rows, B] | input |
 * | m | [rows, B] | 1/(1 − p) where an element stays, else 0; not stored |
 * | y | [rows, B] | output |
 *
 * Forward: y = m ∘ a. Backward: da = m ∘ dy, with m drawn again; overwrites dy, so the next operator
 * has to be one that hands on a gradient of its own, as linear layers do. No collective, no matrix
 * product. Saved: y.
 *
 * Source: Srivastava et al., "Dropout", JMLR 15 (2014); m by Philox4x32-10 (`kernels/dropout.ts`).
 */
export class Dropout implements Operator {
  readonly name: string;
  /** Of the passes from now on; null: nothing is dropped. */
  draws: DropoutDraws | null = null;
  readonly #mask: { -readonly [Key in keyof DropoutMask]: DropoutMask[Key] };

  constructor(name: string, { rate, layer, firstRow }: DropoutOptions) {
    this.name = name;
    this.#mask = { rate, key: [0, 0], step: 0, layer, firstRow, firstColumn: 0 };
  }

  forward(context: OperatorContext, a: Tensor): Tensor {
    const y = context.buffer('y', ...a.shape);
    if (this.draws === null) context.engine.copy(a, y);
    else context.engine.dropout(a, this.#drawn(this.draws), y);
    return y;
  }

  backward(context: OperatorContext, dy: Tensor): void {
    if (this.draws !== null) context.engine.dropout(dy, this.#drawn(this.draws), dy);
    context.giveGradient(0, dy);
  }

  #drawn({ key, step, firstSample }: DropoutDraws): DropoutMask {
    const mask = this.#mask;
    mask.key = key;
    mask.step = step;
    mask.firstColumn = firstSample;
    return mask;
  }
}
