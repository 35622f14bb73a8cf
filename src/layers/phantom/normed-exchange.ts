import type { PendingCollective } from '../../communicators/communicator.js';
import { type Tensor, tensorRows } from '../../tensor/tensor.js';
import { range } from '../block-layout.js';
import { BlockSum } from '../block-sum.js';
import {
  AfterWait,
  blockSum,
  contribution,
  type Contribute,
  type ExchangePlace,
} from '../encoded-return.js';
import type { GhostExchange } from './ghost-exchange.js';

/**
 * Ghosts in float32 with a row more for each block: forward Σ x² over the block's features, backward
 * Σ dz∘ẑ summed over blocks. So the statistics of a normalization need no collective of their own.
 *
 * Rows travel as [block][ghosts, sum]; ghosts are copied out of them, side by side as products want.
 */
export class NormedExchange implements GhostExchange {
  readonly #place: ExchangePlace;
  readonly #packed: Tensor;
  readonly #own: Tensor;
  /** By block: its rows in what travels. */
  readonly #slots: readonly { readonly ghosts: Tensor; readonly sum: Tensor }[];
  readonly #gathered: readonly Tensor[];
  readonly #unpacked: AfterWait;
  /** Σ x² of every block, after the wait: [P, B]. */
  readonly squares: Tensor;
  readonly #squareRows: readonly Tensor[];
  /** Σ dz∘ẑ over the rank's blocks, written by `sumDots`: [1, B]. */
  #back: { dots: Tensor; dotSum: BlockSum; send: Tensor; parts: Tensor[]; sum: BlockSum } | null =
    null;

  constructor(place: ExchangePlace, gathered: Tensor) {
    const { context, layout, ghosts: K, inUse, columns } = place;
    const { blocks, blocksHere, firstBlock } = layout;
    this.#place = place;
    const each = inUse + 1;
    const whole = context.buffer('packed ghosts', blocks * (K + 1), columns);
    this.#packed = tensorRows(whole, 0, blocks * each);
    this.#slots = range(blocks).map((i) => ({
      ghosts: tensorRows(this.#packed, i * each, inUse),
      sum: tensorRows(this.#packed, i * each + inUse, 1),
    }));
    this.#gathered = range(blocks).map((i) => tensorRows(gathered, i * inUse, inUse));
    this.squares = context.buffer('squares', blocks, columns);
    this.#squareRows = range(blocks).map((i) => tensorRows(this.squares, i, 1));
    this.#own = tensorRows(this.#packed, firstBlock * each, blocksHere * each);
    this.#unpacked = new AfterWait(() => this.#unpack());
  }

  /** Where a block of the rank writes its ghosts, and Σ x². */
  slotOf(block: number): { readonly ghosts: Tensor; readonly sum: Tensor } {
    const slot = this.#slots[block];
    if (slot === undefined) throw new RangeError(`no block ${block}`);
    return slot;
  }

  startGather(): PendingCollective {
    const { communicator } = this.#place.context;
    return this.#unpacked.of(communicator.startAllGather(this.#own, this.#packed));
  }

  #unpack(): void {
    const { engine } = this.#place.context;
    for (const [i, slot] of this.#slots.entries()) {
      engine.copy(slot.ghosts, this.#gathered[i] as Tensor);
      engine.copy(slot.sum, this.#squareRows[i] as Tensor);
    }
  }

  /** Sums the rank's part of Σ dz∘ẑ; before `startReturn`. */
  sumDots(dotsOf: Contribute): void {
    const { dots, dotSum } = this.#planBack();
    dotSum.into(dots, dotsOf);
  }

  startReturn(contribute: Contribute, returned: Tensor): PendingCollective {
    const { engine, communicator } = this.#place.context;
    const { dots, send, parts, sum } = this.#planBack();
    sum.into(send, contribute);
    for (const [i, slot] of this.#slots.entries()) {
      engine.copy(parts[i] as Tensor, slot.ghosts);
      engine.copy(dots, slot.sum);
    }
    return communicator.startReduceScatterSum(this.#packed, returned);
  }

  #planBack() {
    if (this.#back !== null) return this.#back;
    const { context, layout, inUse, columns } = this.#place;
    const send = contribution(this.#place);
    this.#back = {
      dots: context.buffer('dots', 1, columns),
      dotSum: new BlockSum(context.engine, layout.blocksHere, (level) =>
        context.buffer(`partial dots ${level}`, 1, columns),
      ),
      send,
      parts: range(layout.blocks).map((i) => tensorRows(send, i * inUse, inUse)),
      sum: blockSum(this.#place, layout.blocksHere, layout.blocks),
    };
    return this.#back;
  }
}
