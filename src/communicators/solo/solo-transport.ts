import { CollectiveError } from '../../base/errors.js';
import type { Moved, PendingCollective, Summed, Transport } from '../communicator.js';
import { hostOf } from '../operands.js';
import type { Tensor } from '../../tensor/tensor.js';

const DONE: PendingCollective = { wait() {} };

/** The group of one: every collective is the identity, and copies where its buffers differ. */
export class SoloTransport implements Transport {
  readonly name = 'solo';
  readonly description = 'one rank, no communication';
  readonly rank = 0;
  readonly size = 1;
  readonly maxInFlight = Number.POSITIVE_INFINITY;
  readonly needsProgress = false;
  /** Shared with the group that this one is a part of. */
  readonly #group: { ended: string | null };
  #closed = false;

  constructor(whole: SoloTransport | null = null) {
    this.#group = whole === null ? { ended: null } : whole.#group;
  }

  startAllGather(send: Moved, receive: Moved): PendingCollective {
    return this.#copy('all-gather', send, receive);
  }

  startAllToAll(send: Moved, receive: Moved): PendingCollective {
    return this.#copy('all-to-all', send, receive);
  }

  startReduceScatterSum(
    send: Float32Array | Tensor,
    receive: Float32Array | Tensor,
  ): PendingCollective {
    return this.#copy('reduce-scatter', send, receive);
  }

  startAllReduceSum(_buffer: Summed): PendingCollective {
    this.#check('all-reduce');
    return DONE;
  }

  broadcast(_buffer: Summed, _root: number): void {
    this.#check('broadcast');
  }

  barrier(): void {
    this.#check('barrier');
  }

  progress(): void {}

  split(_color: number): SoloTransport {
    this.#check('split');
    return new SoloTransport(this);
  }

  abort(cause: string): void {
    this.#group.ended ??= `rank 0 ended the group: ${cause}`;
  }

  close(): void {
    this.#closed = true;
  }

  #copy(where: string, from: Moved, to: Moved): PendingCollective {
    this.#check(where);
    const [send, receive] = [hostOf(from), hostOf(to)];
    if (send.buffer !== receive.buffer || send.byteOffset !== receive.byteOffset) receive.set(send);
    return DONE;
  }

  #check(where: string): void {
    const why = this.#group.ended ?? (this.#closed ? 'rank 0 has left the group' : null);
    if (why !== null) throw new CollectiveError(where, `rank 0: ${why}`);
  }
}
