import { ShapeError } from '../base/errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { bytesEach, type Moved, type Summed } from './operands.js';

export type { Moved, MovedPayload, Payload, Summed } from './operands.js';

/** A collective that has been started: `wait` blocks until its result is in place. */
export interface PendingCollective {
  /** Blocks until the result is in place. Call it once.
   * @throws CollectiveError when the group has ended or a rank is missing for too long */
  wait(): void;
}

/**
 * What an implementation provides. Every rank calls the same methods in the same order with the
 * same sizes; a started collective must be waited for, and at most `maxInFlight` may be started
 * and not yet waited for. Until `wait` returns, neither buffer may be touched.
 *
 * Those that move data in host memory take regions that the host can reach (`hostOf`); `StagedTransport`
 * copies others there.
 *
 * Sums follow one fixed binary tree over ranks, `treeSplit`, in the payload's precision, so that
 * the bits do not depend on the transport.
 */
export interface Transport {
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  readonly rank: number;
  readonly size: number;
  readonly maxInFlight: number;

  /** receive[i·n … (i+1)·n) = rank i's send, n = send.length. `send` may be the own part of
   * `receive`. */
  startAllGather(send: Moved, receive: Moved): PendingCollective;
  /** receive[i·n … (i+1)·n) = rank i's send[rank·n … (rank+1)·n), n = send.length / size. The
   * buffers lie apart. */
  startAllToAll(send: Moved, receive: Moved): PendingCollective;
  /** receive = Σ over ranks of send[rank·n … (rank+1)·n), n = receive.length. */
  startReduceScatterSum(
    send: Float32Array | Tensor,
    receive: Float32Array | Tensor,
  ): PendingCollective;
  /** buffer = Σ over ranks of buffer, in place. */
  startAllReduceSum(buffer: Summed): PendingCollective;
  /** buffer = root's buffer. */
  broadcast(buffer: Summed, root: number): void;
  /** Returns when every rank has called it. */
  barrier(): void;
  /** Whether a started collective stands still until `progress` or its wait is called. */
  readonly needsProgress: boolean;
  /** Lets started collectives go on, and returns at once. */
  progress(): void;
  /**
   * A part of the group: the ranks that give the same color, in their order. Every rank calls it,
   * with no collective under way. The part has a sequence of calls of its own, and ends together
   * with the whole: what aborts one aborts both. Ranks wait for collectives of different groups in
   * one order: a large payload, sent in pieces, stands still while its rank waits in another group.
   *
   * @param color an integer from 0 to 2³¹ − 1
   */
  split(color: number): Transport;
  /** Ends every rank of the group with this cause; the first cause wins. */
  abort(cause: string): void;
  /** Leaves the group. No collective may follow. */
  close(): void;
}

/** Where the sum over `count` consecutive leaves splits: the largest power of two below count.
 * sum(lo, hi) = sum(lo, lo + split) + sum(lo + split, hi). */
export function treeSplit(count: number): number {
  return count <= 1 ? 0 : 2 ** (31 - Math.clz32(count - 1));
}

/**
 * The collectives that operators use: validates shapes once, for every transport, and gives each
 * collective in a started and a blocking form.
 */
export class Communicator {
  readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** This rank, from 0. */
  get rank(): number {
    return this.transport.rank;
  }
  /** Ranks of the group: R. */
  get size(): number {
    return this.transport.size;
  }
  /** The transport, in one line for people. */
  get description(): string {
    return this.transport.description;
  }

  /** Gathers equal shards, in rank order.
   * @throws ShapeError unless receive.length = size · send.length, of one element type */
  startAllGather(send: Moved, receive: Moved): PendingCollective {
    sameElements('all-gather', send, receive);
    if (receive.length !== send.length * this.size) {
      throw lengths('all-gather', send.length, receive.length, `receive = ${this.size} · send`);
    }
    return this.transport.startAllGather(send, receive);
  }
  /** `startAllGather`, waited for. */
  allGather(send: Moved, receive: Moved): void {
    this.startAllGather(send, receive).wait();
  }

  /** Sends each rank its shard, and receives what the ranks sent to this one, in rank order.
   * @throws ShapeError unless both are equally long, of one element type, and divide into shards */
  startAllToAll(send: Moved, receive: Moved): PendingCollective {
    sameElements('all-to-all', send, receive);
    if (send.length !== receive.length || send.length % this.size !== 0) {
      const rule = `receive = send, a multiple of ${this.size}`;
      throw lengths('all-to-all', send.length, receive.length, rule);
    }
    return this.transport.startAllToAll(send, receive);
  }
  /** `startAllToAll`, waited for. */
  allToAll(send: Moved, receive: Moved): void {
    this.startAllToAll(send, receive).wait();
  }

  /** Sums over ranks and leaves each rank its shard.
   * @throws ShapeError unless send.length = size · receive.length */
  startReduceScatterSum(
    send: Float32Array | Tensor,
    receive: Float32Array | Tensor,
  ): PendingCollective {
    if (send.length !== receive.length * this.size) {
      throw lengths('reduce-scatter', send.length, receive.length, `send = ${this.size} · receive`);
    }
    return this.transport.startReduceScatterSum(send, receive);
  }
  /** `startReduceScatterSum`, waited for. */
  reduceScatterSum(send: Float32Array | Tensor, receive: Float32Array | Tensor): void {
    this.startReduceScatterSum(send, receive).wait();
  }

  /** Sums over ranks, in place, on every rank. */
  startAllReduceSum(buffer: Summed): PendingCollective {
    return this.transport.startAllReduceSum(buffer);
  }
  /** `startAllReduceSum`, waited for. */
  allReduceSum(buffer: Summed): void {
    this.startAllReduceSum(buffer).wait();
  }

  /** buffer = root's buffer, on every rank. @throws ShapeError when root is no rank of the group */
  broadcast(buffer: Summed, root: number): void {
    if (!Number.isInteger(root) || root < 0 || root >= this.size) {
      throw new ShapeError('broadcast', `root ${root} is not a rank of 0 … ${this.size - 1}`);
    }
    this.transport.broadcast(buffer, root);
  }
  /** Returns when every rank has called it. */
  barrier(): void {
    this.transport.barrier();
  }
  /** Lets started collectives go on: to be called between pieces of the rank's own work, where the
   * transport needs it. */
  progress(): void {
    this.transport.progress();
  }
  /** The ranks that give the same color, in their order, as a communicator of their own. Every rank
   * calls it, with no collective under way; the parts end together with the whole.
   * @throws ShapeError unless the color is an integer from 0 to 2³¹ − 1 */
  split(color: number): Communicator {
    if (!Number.isInteger(color) || color < 0 || color > 0x7fffffff) {
      throw new ShapeError('split', `color ${color}; needs an integer from 0 to 2147483647`);
    }
    return new Communicator(this.transport.split(color));
  }
  /** Ends every rank of the group with this cause; the first cause wins. */
  abort(cause: string): void {
    this.transport.abort(cause);
  }
  /** Leaves the group. No collective may follow. */
  close(): void {
    this.transport.close();
  }
}

function sameElements(where: string, send: Moved, receive: Moved): void {
  const [a, b] = [bytesEach(send), bytesEach(receive)];
  if (a === b) return;
  throw new ShapeError(where, `send has elements of ${a} bytes, receive of ${b}; needs the same`);
}

function lengths(where: string, send: number, receive: number, rule: string): ShapeError {
  return new ShapeError(where, `send has ${send} elements, receive ${receive}; needs ${rule}`);
}
