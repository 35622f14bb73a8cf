import type { OperatorContext } from '../../autograd/operator.js';
import type { PendingCollective } from '../../communicators/communicator.js';
import { type EncodedPrecision, type GhostPrecision, rowBytes } from '../../tensor/precision.js';
import { asBytes, byteRange, type Bytes, type Tensor, tensorRows } from '../../tensor/tensor.js';
import { type BlockLayout, range } from '../block-layout.js';
import { BlockSum } from '../block-sum.js';

/**
 * How the ghosts of a phantom layer travel, in one precision.
 *
 * | | forward | backward |
 * |---|---|---|
 * | `float32` | all-gather | reduce-scatter of what the rank's blocks contribute together |
 * | else | all-gather of encoded rows | all-to-all of what each block contributes, encoded |
 *
 * Encoded contributions are decoded and summed in float32 where they arrive, by the fixed tree over
 * all P blocks. Every block's ghosts and contributions are rounded once and by themselves, those of
 * the rank's own blocks too, so that the numbers do not depend on R. With several blocks on a rank
 * the backward pass therefore sends P/R times the rows that float32 does.
 */
export interface GhostExchange {
  /** Sends the rank's own ghosts, which stand in their rows of `ghosts`, and has everybody's there
   * after the wait. */
  startGather(): PendingCollective;
  /**
   * Sums what the blocks contribute to everybody's ghosts.
   *
   * @param contribute writes what one of the rank's blocks contributes: [P·inUse, B]
   * @param returned has the sums for the rank's own ghosts after the wait: [blocksHere·inUse, B]
   */
  startReturn(contribute: Contribute, returned: Tensor): PendingCollective;
}

export type Contribute = (block: number, target: Tensor) => void;

/** Where a layer exchanges K ghosts a block, and the first `inUse` of them. */
export interface ExchangePlace {
  readonly context: OperatorContext;
  readonly layout: BlockLayout;
  /** K */
  readonly ghosts: number;
  readonly inUse: number;
  /** B */
  readonly columns: number;
}

/**
 * Plans an exchange of the first `inUse` of K ghosts, on memory that holds all K.
 *
 * @param gathered everybody's ghosts: [P·inUse, B]
 */
export function ghostExchange(
  precision: GhostPrecision,
  place: ExchangePlace,
  gathered: Tensor,
): GhostExchange {
  return precision === 'float32'
    ? new PlainExchange(place, gathered)
    : new EncodedExchange(precision, place, gathered);
}

class PlainExchange implements GhostExchange {
  readonly #place: ExchangePlace;
  readonly #gathered: Tensor;
  readonly #own: Tensor;
  #back: { send: Tensor; sum: BlockSum } | null = null;

  constructor(place: ExchangePlace, gathered: Tensor) {
    const { blocksHere, firstBlock } = place.layout;
    this.#place = place;
    this.#gathered = gathered;
    this.#own = tensorRows(gathered, firstBlock * place.inUse, blocksHere * place.inUse);
  }

  startGather(): PendingCollective {
    const { communicator } = this.#place.context;
    return communicator.startAllGather(this.#own.data, this.#gathered.data);
  }

  startReturn(contribute: Contribute, returned: Tensor): PendingCollective {
    const { context, layout } = this.#place;
    this.#back ??= {
      send: contribution(this.#place),
      sum: blockSum(this.#place, layout.blocksHere, layout.blocks),
    };
    const { send, sum } = this.#back;
    sum.into(send, contribute);
    return context.communicator.startReduceScatterSum(send.data, returned.data);
  }
}

class EncodedExchange implements GhostExchange {
  readonly #precision: EncodedPrecision;
  readonly #place: ExchangePlace;
  readonly #own: Tensor;
  readonly #encoded: Bytes;
  readonly #ownEncoded: Bytes;
  readonly #gather: AfterWait;
  #back: EncodedReturn | null = null;

  constructor(precision: EncodedPrecision, place: ExchangePlace, gathered: Tensor) {
    const { inUse, layout } = place;
    this.#precision = precision;
    this.#place = place;
    const first = layout.firstBlock * inUse;
    const rows = layout.blocksHere * inUse;
    const bytes = rowBytes(precision, place.columns);
    this.#own = tensorRows(gathered, first, rows);
    this.#encoded = encodedRows(precision, place, 'encoded ghosts', layout.blocks);
    this.#ownEncoded = byteRange(this.#encoded, first * bytes, rows * bytes);
    this.#gather = new AfterWait(() =>
      place.context.engine.decodeRows(precision, this.#encoded, gathered),
    );
  }

  startGather(): PendingCollective {
    const { engine, communicator } = this.#place.context;
    engine.encodeRows(this.#precision, this.#own, this.#ownEncoded);
    return this.#gather.of(communicator.startAllGather(this.#ownEncoded.data, this.#encoded.data));
  }

  startReturn(contribute: Contribute, returned: Tensor): PendingCollective {
    this.#back ??= new EncodedReturn(this.#precision, this.#place, returned);
    return this.#back.start(contribute);
  }
}

/** The backward half: rows travel as [rank][block of the sender][block of the receiver][ghost]. */
class EncodedReturn {
  readonly #precision: EncodedPrecision;
  readonly #context: OperatorContext;
  readonly #contribution: Tensor;
  readonly #send: Bytes;
  readonly #receive: Bytes;
  /** By rank: the rows of a contribution that go there; by block of this rank, then by rank: where
   * they are written. */
  readonly #rowsTo: readonly Tensor[];
  readonly #slabs: readonly (readonly Bytes[])[];
  readonly #received: AfterWait;

  constructor(precision: EncodedPrecision, place: ExchangePlace, returned: Tensor) {
    const { context, layout, inUse, columns } = place;
    const { blocks, blocksHere, ranks } = layout;
    this.#precision = precision;
    this.#context = context;
    this.#contribution = contribution(place);
    this.#send = encodedRows(precision, place, 'encoded contributions', blocksHere * blocks);
    this.#receive = encodedRows(precision, place, 'received contributions', blocksHere * blocks);
    const rows = blocksHere * inUse;
    const slab = rows * rowBytes(precision, columns);
    this.#rowsTo = range(ranks).map((r) => tensorRows(this.#contribution, r * rows, rows));
    this.#slabs = range(blocksHere).map((j) =>
      range(ranks).map((r) => byteRange(this.#send, (r * blocksHere + j) * slab, slab)),
    );
    const arrived = range(blocks).map((i) => byteRange(this.#receive, i * slab, slab));
    const sum = blockSum(place, blocks, blocksHere);
    const decode = (block: number, target: Tensor): void => {
      const from = arrived[block];
      if (from) context.engine.decodeRows(precision, from, target);
    };
    this.#received = new AfterWait(() => sum.into(returned, decode));
  }

  start(contribute: Contribute): PendingCollective {
    const { engine, communicator } = this.#context;
    for (const [j, slabs] of this.#slabs.entries()) {
      contribute(j, this.#contribution);
      for (const [r, slab] of slabs.entries()) {
        const rows = this.#rowsTo[r];
        if (rows) engine.encodeRows(this.#precision, rows, slab);
      }
    }
    return this.#received.of(communicator.startAllToAll(this.#send.data, this.#receive.data));
  }
}

/** A collective whose result is decoded or copied after its wait; the same handle for every step. */
export class AfterWait implements PendingCollective {
  readonly #then: () => void;
  #pending: PendingCollective | null = null;

  constructor(then: () => void) {
    this.#then = then;
  }

  of(pending: PendingCollective): PendingCollective {
    this.#pending = pending;
    return this;
  }

  wait(): void {
    this.#pending?.wait();
    this.#then();
  }
}

/** What one block contributes to everybody's ghosts. */
export function contribution({ context, layout, ghosts, inUse, columns }: ExchangePlace): Tensor {
  const whole = context.buffer('contribution', layout.blocks * ghosts, columns);
  return tensorRows(whole, 0, layout.blocks * inUse);
}

/** A sum over `count` blocks of the ghosts of `ofBlocks` blocks. */
export function blockSum(place: ExchangePlace, count: number, ofBlocks: number): BlockSum {
  const { context, ghosts, inUse, columns } = place;
  return new BlockSum(context.engine, count, (level) =>
    tensorRows(
      context.buffer(`partial sum ${level}`, ofBlocks * ghosts, columns),
      0,
      ofBlocks * inUse,
    ),
  );
}

/** Room for the encoded ghosts of so many blocks. */
function encodedRows(
  precision: EncodedPrecision,
  { context, ghosts, inUse, columns }: ExchangePlace,
  name: string,
  blocks: number,
): Bytes {
  const bytes = blocks * rowBytes(precision, columns);
  const whole = context.buffer(name, Math.ceil((bytes * ghosts) / 4));
  return asBytes(whole, bytes * inUse);
}
