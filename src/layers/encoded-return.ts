import type { OperatorContext } from '../autograd/operator.js';
import type { PendingCollective } from '../communicators/communicator.js';
import { type EncodedPrecision, rowBytes } from '../tensor/precision.js';
import { asBytes, byteRange, type Bytes, type Tensor, tensorRows } from '../tensor/tensor.js';
import { type BlockLayout, range } from './block-layout.js';
import { BlockSum } from './block-sum.js';

/** Writes what one of the rank's blocks contributes to all blocks. */
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
 * A sum over blocks of what each contributes to every block, for which every contribution travels
 * encoded, and by itself: an all-to-all whose rows are [rank][block of the sender][block of the
 * receiver][row]. They are summed in float32 where they arrive, by the fixed tree over all blocks.
 */
export class EncodedReturn {
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
    return this.#received.of(communicator.startAllToAll(this.#send, this.#receive));
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
export function encodedRows(
  precision: EncodedPrecision,
  { context, ghosts, inUse, columns }: ExchangePlace,
  name: string,
  blocks: number,
): Bytes {
  const bytes = blocks * rowBytes(precision, columns);
  const whole = context.buffer(name, Math.ceil((bytes * ghosts) / 4));
  return asBytes(whole, bytes * inUse);
}
