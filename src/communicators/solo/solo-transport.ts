import { CollectiveError } from '../../base/errors.js';
import type { MovedPayload, Payload, PendingCollective, Transport } from '../communicator.js';

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

  startAllGather(send: MovedPayload, receive: MovedPayload): PendingCollective {
    return this.#copy('all-gather', send, receive);
  }

  startAllToAll(send: MovedPayload, receive: MovedPayload): PendingCollective {
    return this.#copy('all-to-all', send, receive);
  }

  startReduceScatterSum(send: Float32Array, receive: Float32Array): PendingCollective {
    return this.#copy('reduce-scatter', send, receive);
  }

  startAllReduceSum(_buffer: Payload): PendingCollective {
    this.#check('all-reduce');
    return DONE;
  }

  broadcast(_buffer: Payload, _root: number): void {
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

  #copy(where: string, send: MovedPayload, receive: MovedPayload): PendingCollective {
    this.#check(where);
    if (send.buffer !== receive.buffer || send.byteOffset !== receive.byteOffset) receive.set(send);
    return DONE;
  }

  #check(where: string): void {
    const why = this.#group.ended ?? (this.#closed ? 'rank 0 has left the group' : null);
    if (why !== null) throw new CollectiveError(where, `rank 0: ${why}`);
  }
}
