import type { RegionCopies } from '../../tensor/region-copies.js';
import type { Bytes, Tensor } from '../../tensor/tensor.js';
import type { Call } from '../call.js';
import type { Moved, PendingCollective, Summed, Transport } from '../communicator.js';
import { regionOf } from '../operands.js';
import { StagedTransport } from '../staged/staged-transport.js';

/** Part of a device's memory. */
export type DeviceRegion = Tensor | Bytes;

/** A collective of regions, which is used again when it has been waited for. */
export interface DeviceCollective extends Completed {
  /** @throws CollectiveError where the group has ended, or has too many under way */
  start(call: Call, send: DeviceRegion, receive: DeviceRegion, root: number): void;
  /** Has the calls that follow wait for its result. @throws CollectiveError where the group has ended, or ranks
   * have called different things */
  complete(): void;
}

/** How a group of devices exchanges regions. */
export interface DeviceGroup {
  /** Between the hosts of the ranks. */
  readonly inner: Transport;
  readonly copies: RegionCopies;
  /** How regions go, for people. */
  readonly way: string;
  collective(): DeviceCollective;
  split(color: number): Transport;
  close(): void;
}

interface Completed {
  complete(): void;
}

/** A collective of host arrays, in its place among the others. */
class HostCollective implements Completed {
  pending: PendingCollective | null = null;

  complete(): void {
    this.pending?.wait();
    this.pending = null;
  }
}

/** Work that is started, completed in its turn, waited for, and then free to be started again. */
class Started<Work extends Completed> implements PendingCollective, Completed {
  readonly work: Work;
  readonly #transport: DeviceTransport;
  readonly #free: Started<Work>[];
  #isComplete = true;
  #isFree = true;

  constructor(transport: DeviceTransport, work: Work, free: Started<Work>[]) {
    this.#transport = transport;
    this.work = work;
    this.#free = free;
  }
  begin(): void {
    this.#isComplete = this.#isFree = false;
  }
  complete(): void {
    this.work.complete();
    this.#isComplete = true;
  }
  wait(): void {
    if (this.#isFree) return;
    if (!this.#isComplete) this.#transport.completeTo(this);
    this.#isFree = true;
    this.#free.push(this);
  }
}

/**
 * Collectives of regions between devices, put in order with those of host arrays. What is started is completed in
 * the order of the starts, on every rank alike, whatever the order of its waits: a wait first completes what was
 * started before. Of collectives in different groups, ranks wait in one order. A collective of a region and a
 * host's array is that of a `StagedTransport`.
 */
export class DeviceTransport implements Transport {
  readonly name: string;
  readonly description: string;
  readonly rank: number;
  readonly size: number;
  readonly maxInFlight: number;
  readonly needsProgress = false;
  readonly #group: DeviceGroup;
  readonly #staged: StagedTransport;
  /** Started and not completed, the oldest first. */
  readonly #queue: Completed[] = [];
  readonly #free: Started<DeviceCollective>[] = [];
  readonly #freeOnHosts: Started<HostCollective>[] = [];

  constructor(group: DeviceGroup) {
    const { inner, copies } = group;
    this.name = inner.name;
    this.description = `${inner.description}, ${group.way}`;
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
    return this.#group.split(color);
  }
  abort(cause: string): void {
    this.#group.inner.abort(cause);
  }
  close(): void {
    this.#group.close();
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
      this.#free.push(new Started(this, this.#group.collective(), this.#free));
    }
    const started = this.#free.at(-1) as Started<DeviceCollective>;
    // It stays free where too many are under way.
    started.work.start(call, from, to, root);
    this.#free.pop();
    started.begin();
    this.#queue.push(started);
    return started;
  }

  #onHosts(pending: PendingCollective): PendingCollective {
    const started =
      this.#freeOnHosts.pop() ?? new Started(this, new HostCollective(), this.#freeOnHosts);
    started.work.pending = pending;
    started.begin();
    this.#queue.push(started);
    return started;
  }

  /** Completes what was started, up to this one; null: all of it. */
  completeTo(last: Completed | null): void {
    for (;;) {
      const oldest = this.#queue[0];
      if (oldest === undefined) return;
      oldest.complete();
      this.#queue.shift();
      if (oldest === last) return;
    }
  }
}
