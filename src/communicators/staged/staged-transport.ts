import { CollectiveError } from '../../base/errors.js';
import type { RegionCopies, PendingCopy } from '../../tensor/region-copies.js';
import { type Bytes, hostView, type Tensor } from '../../tensor/tensor.js';
import type {
  Moved,
  MovedPayload,
  Payload,
  PendingCollective,
  Summed,
  Transport,
} from '../communicator.js';
import { regionOf } from '../operands.js';

type HostArray = MovedPayload | Payload;
type Start = (send: HostArray, receive: HostArray) => PendingCollective;
type Operand = Moved | Summed;
const DONE: PendingCollective = { wait() {} };
const NOTHING = new Uint8Array(0);

/**
 * A transport between hosts, for an engine whose memory is not the host's. A region is copied to the host
 * from the start of its collective on, behind the calls that made it and beside those that follow. The
 * host's collective runs in the wait, while the engine works on what was called before it; its result is
 * copied back in order with the calls after. Collectives of host arrays are started at once, and a group of one
 * copies nothing to the host.
 *
 * So collectives of regions are started in the order of their waits, which is the same on all ranks.
 */
export class StagedTransport implements Transport {
  readonly name: string;
  readonly description: string;
  readonly rank: number;
  readonly size: number;
  readonly maxInFlight: number;
  readonly needsProgress = false;
  readonly #inner: Transport;
  readonly #copies: RegionCopies;
  readonly #starts: Readonly<Record<'gather' | 'exchange' | 'scatter' | 'reduce', Start>>;
  readonly #free: StagedCollective[] = [];
  #inFlight = 0;
  /** Of each region, which operators keep: where it is on the host. */
  readonly #arrays = new WeakMap<Tensor | Bytes, Float32Array | Uint8Array>();

  readonly #why: string;

  /** @param why devices do not exchange by themselves, as a clause for people */
  constructor(inner: Transport, copies: RegionCopies, why = '') {
    this.name = inner.name;
    this.#why = why;
    const because = why === '' ? '' : ` (${why})`;
    const way = inner.size === 1 ? '' : `, by way of the host's memory${because}`;
    this.description = `${inner.description}${way}`;
    this.rank = inner.rank;
    this.size = inner.size;
    this.maxInFlight = inner.maxInFlight;
    this.#inner = inner;
    this.#copies = copies;
    this.#starts = {
      gather: (send, receive) =>
        inner.startAllGather(send as MovedPayload, receive as MovedPayload),
      exchange: (send, receive) =>
        inner.startAllToAll(send as MovedPayload, receive as MovedPayload),
      scatter: (send, receive) =>
        inner.startReduceScatterSum(send as Float32Array, receive as Float32Array),
      reduce: (buffer) => inner.startAllReduceSum(buffer as Payload),
    };
  }

  startAllGather(send: Moved, receive: Moved): PendingCollective {
    return this.#start(this.#starts.gather, send, receive);
  }
  startAllToAll(send: Moved, receive: Moved): PendingCollective {
    return this.#start(this.#starts.exchange, send, receive);
  }
  startReduceScatterSum(
    send: Float32Array | Tensor,
    receive: Float32Array | Tensor,
  ): PendingCollective {
    return this.#start(this.#starts.scatter, send, receive);
  }
  startAllReduceSum(buffer: Summed): PendingCollective {
    return this.#start(this.#starts.reduce, buffer, buffer);
  }
  broadcast(buffer: Summed, root: number): void {
    const region = regionOf(buffer);
    const array = this.#arrayOf(buffer) as Payload;
    if (region) this.#copies.toHost<'float32' | 'bytes'>(region, array as Float32Array);
    this.#inner.broadcast(array, root);
    if (region) this.#copies.toDevice<'float32' | 'bytes'>(array as Float32Array, region);
  }
  barrier(): void {
    this.#inner.barrier();
  }
  progress(): void {
    this.#inner.progress();
  }
  split(color: number): StagedTransport {
    return new StagedTransport(this.#inner.split(color), this.#copies, this.#why);
  }
  abort(cause: string): void {
    this.#inner.abort(cause);
  }
  close(): void {
    this.#inner.close();
  }

  #start(start: Start, send: Operand, receive: Operand): PendingCollective {
    const from = regionOf(send);
    const to = regionOf(receive);
    if (this.size === 1 && from !== null && to !== null) {
      // Says whether the group has ended.
      this.#inner.barrier();
      if (from.byteOffset !== to.byteOffset) this.#copies.copy<'float32' | 'bytes'>(from, to);
      return DONE;
    }
    if (this.#inFlight === this.maxInFlight) {
      throw new CollectiveError(
        this.name,
        `rank ${this.rank} has ${this.maxInFlight} collectives started and not waited for; wait for one of ` +
          'them first',
      );
    }
    const handle = this.#free.pop() ?? new StagedCollective(this.#copies, this.#done);
    handle.from = from;
    handle.to = to;
    handle.sent = this.#arrayOf(send);
    handle.received = this.#arrayOf(receive);
    handle.begin(start);
    this.#inFlight++;
    return handle;
  }

  readonly #done = (handle: StagedCollective): void => {
    this.#inFlight--;
    this.#free.push(handle);
  };

  #arrayOf(operand: Operand): HostArray {
    if (ArrayBuffer.isView(operand)) return operand;
    const known = hostView<'float32' | 'bytes'>(operand) ?? this.#arrays.get(operand);
    if (known !== undefined) return known;
    const { dtype, length } = operand;
    const array = dtype === 'bytes' ? new Uint8Array(length) : new Float32Array(length);
    this.#arrays.set(operand, array);
    return array;
  }
}

/** A handle that is free again after its wait, also where that throws. */
class StagedCollective implements PendingCollective {
  readonly #copies: RegionCopies;
  readonly #done: (handle: StagedCollective) => void;
  /** Of its collective: regions that are copied, and where they are on the host. */
  from: Tensor | Bytes | null = null;
  to: Tensor | Bytes | null = null;
  sent: HostArray = NOTHING;
  received: HostArray = NOTHING;
  /** To be called by the wait; null: there is nothing to wait for. */
  #start: Start | null = null;
  #copy: PendingCopy | null = null;
  /** Of host arrays alone. */
  #started: PendingCollective | null = null;

  constructor(copies: RegionCopies, done: (handle: StagedCollective) => void) {
    this.#copies = copies;
    this.#done = done;
  }

  begin(start: Start): void {
    const { from, sent, to, received } = this;
    this.#started = from === null && to === null ? start(sent, received) : null;
    this.#start = start;
    this.#copy = from && this.#copies.startToHost<'float32' | 'bytes'>(from, sent as Uint8Array);
  }

  wait(): void {
    const start = this.#start;
    if (start === null) return;
    const { sent, received, to } = this;
    this.#start = null;
    try {
      this.#copy?.wait();
      if (this.#started) {
        this.#started.wait();
        return;
      }
      // The device has what was called since the start to do meanwhile.
      this.#copies.idle?.begin();
      start(sent, received).wait();
      this.#copies.idle?.end();
      if (to) this.#copies.toDevice<'float32' | 'bytes'>(received as Uint8Array, to);
    } finally {
      this.#done(this);
    }
  }
}
