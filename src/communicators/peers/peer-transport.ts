import type { PeerCopies, PeerPlace } from '../../tensor/peer-copies.js';
import type { RegionCopies } from '../../tensor/region-copies.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Call } from '../call.js';
import type { Moved, PendingCollective, Summed, Transport } from '../communicator.js';
import { regionOf } from '../operands.js';
import { StagedTransport } from '../staged/staged-transport.js';
import { checkCopies } from './check-copies.js';
import { PeerCollective, type PeerGroup } from './peer-collective.js';
import { PeerSums } from './peer-sums.js';

/** Of the device's memory, for parts of sums. */
export const ROOM_BYTES = 16 * 2 ** 20;

/** How a rank joins its group on devices. */
export interface PeerOptions {
  /** Between the hosts of ranks that are threads of one process. */
  readonly inner: Transport;
  /** The rank's engine, and how others copy from it. */
  readonly copies: RegionCopies;
  readonly peers: PeerCopies;
  /** Of the device's memory, for parts of sums. Default: 16 MiB. */
  readonly roomBytes?: number;
}

/** Puts collectives of regions on copies between devices. Every rank calls it.
 * @throws CollectiveError where the group has ended
 * @throws UnsupportedError where the device has no memory left for parts of sums
 * @throws NativeError where what comes from another device is not what is there */
export function joinPeers(options: PeerOptions): Transport {
  const { inner, copies, peers, roomBytes = ROOM_BYTES } = options;
  if (inner.size === 1) return new StagedTransport(inner, copies);
  const sums = new PeerSums(peers, copies.idle, roomBytes);
  const transport = joined(options, sums);
  checkCopies(transport, copies, { at: sums.room, bytes: roomBytes });
  return transport;
}

type Joining = Pick<PeerOptions, 'inner' | 'copies' | 'peers'>;

function joined({ inner, copies, peers }: Joining, sums: PeerSums): Transport {
  if (inner.size === 1) return new StagedTransport(inner, copies);
  const { device, context } = peers.place;
  const all = new Float64Array(2 * inner.size);
  gather(inner, Float64Array.of(device, context), all);
  const places = Array.from({ length: inner.size }, (_, rank): PeerPlace => {
    return { device: all[2 * rank] ?? 0, context: all[2 * rank + 1] ?? 0 };
  });
  // Each of them, so that no rank copies before its device reaches all.
  const direct = places.map((place) => peers.reach(place)).every(Boolean);
  const areDirect = new Float64Array(inner.size);
  gather(inner, Float64Array.of(direct ? 1 : 0), areDirect);
  const group = { inner, meetings: inner.split(0), copies, peers, places, sums };
  return new PeerTransport(
    group,
    areDirect.every((one) => one === 1),
  );
}

function gather(transport: Transport, own: Float64Array, all: Float64Array): void {
  transport.startAllGather(new Uint8Array(own.buffer), new Uint8Array(all.buffer)).wait();
}

interface Queued {
  complete(): void;
}

/** A collective of host arrays, in its place among the others. */
class OnHosts implements PendingCollective, Queued {
  readonly #transport: PeerTransport;
  #pending: PendingCollective | null = null;
  #isFree = true;

  constructor(transport: PeerTransport) {
    this.#transport = transport;
  }
  start(pending: PendingCollective): void {
    this.#pending = pending;
    this.#isFree = false;
  }
  complete(): void {
    this.#pending?.wait();
    this.#pending = null;
  }
  wait(): void {
    if (this.#isFree) return;
    if (this.#pending !== null) this.#transport.completeTo(this);
    this.#isFree = true;
    this.#transport.freeOnHosts.push(this);
  }
}

/**
 * Collectives between devices whose ranks are threads of one process: each copies what it needs from the others'
 * memory, and sums it by the fixed tree on its own device. The host's memory carries addresses and marks alone,
 * and host arrays, as without devices.
 *
 * What is started is completed in the order of the starts, on every rank alike, whatever the order of its
 * waits: a wait first completes what was started before. Of collectives in different groups, ranks wait in one
 * order. A collective of a region and a host's array is that of a `StagedTransport`.
 */
class PeerTransport implements Transport {
  readonly name: string;
  readonly description: string;
  readonly rank: number;
  readonly size: number;
  readonly maxInFlight: number;
  readonly needsProgress = false;
  readonly #group: PeerGroup;
  readonly #staged: StagedTransport;
  /** Started and not completed, the oldest first. */
  readonly #queue: Queued[] = [];
  readonly #free: PeerCollective[] = [];
  /** Handles that are not in use. */
  readonly freeOnHosts: OnHosts[] = [];

  constructor(group: PeerGroup, isDirect: boolean) {
    const { inner, copies } = group;
    this.name = inner.name;
    const [first, ...others] = group.places;
    const isOne = others.every(({ device }) => device === first?.device);
    const between = `peer copies between devices${isDirect ? '' : ' by way of the driver'}`;
    this.description = `${inner.description}, ${isOne ? 'copies on one device' : between}`;
    this.rank = inner.rank;
    this.size = inner.size;
    this.maxInFlight = inner.maxInFlight;
    this.#group = group;
    this.#staged = new StagedTransport(inner, copies);
  }

  startAllGather(send: Moved, receive: Moved): PendingCollective {
    return (
      this.#start('all-gather', send, receive) ??
      this.#onHosts(this.#staged.startAllGather(send, receive))
    );
  }
  startAllToAll(send: Moved, receive: Moved): PendingCollective {
    return (
      this.#start('all-to-all', send, receive) ??
      this.#onHosts(this.#staged.startAllToAll(send, receive))
    );
  }
  startReduceScatterSum(
    send: Float32Array | Tensor,
    receive: Float32Array | Tensor,
  ): PendingCollective {
    return (
      this.#start('reduce-scatter', send, receive) ??
      this.#onHosts(this.#staged.startReduceScatterSum(send, receive))
    );
  }
  startAllReduceSum(buffer: Summed): PendingCollective {
    return (
      this.#start('all-reduce', buffer, buffer) ??
      this.#onHosts(this.#staged.startAllReduceSum(buffer))
    );
  }
  broadcast(buffer: Summed, root: number): void {
    // It may come while as many are under way as can be.
    this.completeTo(null);
    const started = this.#start('broadcast', buffer, buffer, root);
    if (started === null) this.#staged.broadcast(buffer, root);
    else started.wait();
  }
  barrier(): void {
    this.completeTo(null);
    this.#staged.barrier();
  }
  progress(): void {
    this.#staged.progress();
  }
  split(color: number): Transport {
    const { inner, copies, peers, sums } = this.#group;
    return joined({ inner: inner.split(color), copies, peers }, sums);
  }
  abort(cause: string): void {
    this.#group.inner.abort(cause);
  }
  close(): void {
    this.#group.inner.close();
    this.#group.meetings.close();
  }

  /** @returns null where an operand is the host's */
  #start(
    call: Call,
    send: Moved | Summed,
    receive: Moved | Summed,
    root = 0,
  ): PendingCollective | null {
    const [from, to] = [regionOf(send), regionOf(receive)];
    if (from === null || to === null) return null;
    if (this.#free.length === 0) {
      this.#free.push(new PeerCollective(this.#group, this.#finish, this.#takeBack));
    }
    const collective = this.#free.at(-1) as PeerCollective;
    // It stays free where too many are under way.
    collective.start(call, from, to, root);
    this.#free.pop();
    this.#queue.push(collective);
    return collective;
  }

  #onHosts(pending: PendingCollective): PendingCollective {
    const collective = this.freeOnHosts.pop() ?? new OnHosts(this);
    collective.start(pending);
    this.#queue.push(collective);
    return collective;
  }

  readonly #finish = (collective: PeerCollective): void => this.completeTo(collective);
  readonly #takeBack = (collective: PeerCollective): void => {
    this.#free.push(collective);
  };

  /** Completes what was started, up to this one; null: all of it. */
  completeTo(last: Queued | null): void {
    for (;;) {
      const oldest = this.#queue[0];
      if (oldest === undefined) return;
      oldest.complete();
      this.#queue.shift();
      if (oldest === last) return;
    }
  }
}
