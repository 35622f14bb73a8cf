import type { PendingCollective } from '../../communicators/communicator.js';
import type { Engine } from '../../engines/engine.js';
import { type EncodedPrecision, type GhostPrecision, rowBytes } from '../../tensor/precision.js';
import { byteRange, type Bytes, bytesOf, type Tensor, tensorRows } from '../../tensor/tensor.js';
import type { BlockSum } from '../block-sum.js';
import {
  AfterWait,
  blockSum,
  type Contribute,
  contribution,
  encodedRows,
  EncodedReturn,
  type ExchangePlace,
} from '../encoded-return.js';

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
  /** Sends the rank's own ghosts, and has everybody's after the wait. */
  startGather(): PendingCollective;
  /**
   * Sums what the blocks contribute to everybody's ghosts.
   *
   * @param contribute writes what one of the rank's blocks contributes: [P·inUse, B]
   * @param returned has the sums for the rank's own ghosts after the wait: [blocksHere·inUse, B]
   */
  startReturn(contribute: Contribute, returned: Tensor): PendingCollective;
}

/**
 * Plans an exchange of the first `inUse` of K ghosts, on memory that holds all K.
 *
 * @param gathered everybody's ghosts: [P·inUse, B]
 * @param own the rank's own: [blocksHere·inUse, B]; in float32 their rows of `gathered`
 */
export function ghostExchange(
  precision: GhostPrecision,
  place: ExchangePlace,
  gathered: Tensor,
  own: Tensor,
): GhostExchange {
  return precision === 'float32'
    ? new PlainExchange(place, gathered, own)
    : new EncodedExchange(precision, place, gathered, own);
}

class PlainExchange implements GhostExchange {
  readonly #place: ExchangePlace;
  readonly #gathered: Tensor;
  readonly #own: Tensor;
  #back: { send: Tensor; sum: BlockSum } | null = null;

  constructor(place: ExchangePlace, gathered: Tensor, own: Tensor) {
    this.#place = place;
    this.#gathered = gathered;
    this.#own = own;
  }

  startGather(): PendingCollective {
    const { communicator } = this.#place.context;
    return communicator.startAllGather(this.#own, this.#gathered);
  }

  startReturn(contribute: Contribute, returned: Tensor): PendingCollective {
    const { context, layout } = this.#place;
    this.#back ??= {
      send: contribution(this.#place),
      sum: blockSum(this.#place, layout.blocksHere, layout.blocks),
    };
    const { send, sum } = this.#back;
    sum.into(send, contribute);
    return context.communicator.startReduceScatterSum(send, returned);
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

  constructor(precision: EncodedPrecision, place: ExchangePlace, gathered: Tensor, own: Tensor) {
    const { inUse, layout } = place;
    this.#precision = precision;
    this.#place = place;
    const first = layout.firstBlock * inUse;
    const rows = layout.blocksHere * inUse;
    const bytes = rowBytes(precision, place.columns);
    this.#own = own;
    this.#encoded = encodedRows(precision, place, 'encoded ghosts', layout.blocks);
    this.#ownEncoded = byteRange(this.#encoded, first * bytes, rows * bytes);
    this.#gather = new AfterWait(() =>
      place.context.engine.decodeRows(precision, this.#encoded, gathered),
    );
  }

  startGather(): PendingCollective {
    const { engine, communicator } = this.#place.context;
    engine.encodeRows(this.#precision, this.#own, this.#ownEncoded);
    return this.#gather.of(communicator.startAllGather(this.#ownEncoded, this.#encoded));
  }

  startReturn(contribute: Contribute, returned: Tensor): PendingCollective {
    this.#back ??= new EncodedReturn(this.#precision, this.#place, returned);
    return this.#back.start(contribute);
  }
}

/**
 * The exchange where products take bfloat16: ghosts are rounded as they leave, and multiplied as they
 * arrive. What flows back is summed in float32.
 */
export class RoundedExchange implements GhostExchange {
  readonly #place: ExchangePlace;
  readonly #own: Tensor;
  readonly #ownRounded: Bytes;
  readonly #gathered: Bytes;
  #back: EncodedReturn | null = null;

  /** @param own the rank's own ghosts, as products leave them: [blocksHere·inUse, B]
   * @param gathered everybody's: [P·inUse, B] */
  constructor(place: ExchangePlace, own: Tensor, gathered: Tensor<'bfloat16'>) {
    const { firstBlock, blocksHere } = place.layout;
    this.#place = place;
    this.#own = own;
    this.#gathered = bytesOf(gathered);
    this.#ownRounded = bytesOf(
      tensorRows(gathered, firstBlock * place.inUse, blocksHere * place.inUse),
    );
  }

  startGather(): PendingCollective {
    const { engine, communicator } = this.#place.context;
    engine.encodeRows('bfloat16', this.#own, this.#ownRounded);
    return communicator.startAllGather(this.#ownRounded, this.#gathered);
  }

  startReturn(contribute: Contribute, returned: Tensor): PendingCollective {
    this.#back ??= new EncodedReturn('bfloat16', this.#place, returned);
    return this.#back.start(contribute);
  }
}

/** Rounds ghosts that arrive in another precision to the bfloat16 that products take. */
export class RoundedArrival implements GhostExchange {
  readonly #exchange: GhostExchange;
  readonly #gather: AfterWait;

  /** @param arrived where the exchange leaves everybody's ghosts: [P·inUse, B]
   * @param gathered where products read them */
  constructor(
    engine: Engine,
    exchange: GhostExchange,
    arrived: Tensor,
    gathered: Tensor<'bfloat16'>,
  ) {
    const bytes = bytesOf(gathered);
    this.#exchange = exchange;
    this.#gather = new AfterWait(() => engine.encodeRows('bfloat16', arrived, bytes));
  }

  startGather(): PendingCollective {
    return this.#gather.of(this.#exchange.startGather());
  }

  startReturn(contribute: Contribute, returned: Tensor): PendingCollective {
    return this.#exchange.startReturn(contribute, returned);
  }
}
