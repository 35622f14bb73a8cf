import type { LinkedDevices } from '../../tensor/device-messages.js';
import type { PeerCopies } from '../../tensor/peer-copies.js';
import type { RegionCopies } from '../../tensor/region-copies.js';
import { type Call, encodeCall, shardLength } from '../call.js';
import type { PendingCollective, Transport } from '../communicator.js';
import { type DeviceSums, summedEach } from '../devices/device-sums.js';
import type { DeviceCollective, DeviceRegion } from '../devices/device-transport.js';
import { CODE, compareCalls, LENGTH } from '../devices/said-calls.js';
import { bytesEach } from '../operands.js';
import { NcclParts } from './nccl-parts.js';

/** What the collectives of a group of devices share. */
export interface NcclGroup {
  readonly inner: Transport;
  readonly copies: RegionCopies;
  readonly peers: PeerCopies;
  readonly devices: LinkedDevices;
  readonly sums: DeviceSums;
}

/**
 * A collective of regions of the devices of several processes. Nowhere does a host wait for a device:
 *
 * 1. At the start each rank sets a mark behind the calls that made its region, and tells the others what it calls.
 * 2. Once all have said the same, in the wait, each has its copies wait for the mark, and starts messages among
 *    them. So no device waits for a message that another rank has not called.
 * 3. The calls that follow wait for the messages.
 */
export class NcclCollective implements DeviceCollective {
  readonly #group: NcclGroup;
  readonly #own = new Float64Array(2);
  readonly #ownBytes = new Uint8Array(this.#own.buffer);
  readonly #all: Float64Array;
  readonly #allBytes: Uint8Array;
  readonly #parts: NcclParts;
  /** Behind the calls that made the region, the messages, and the own part of a sum. */
  readonly #marks: Readonly<Record<'ready' | 'done' | 'summed', number>>;
  #said: PendingCollective | null = null;
  #call: Call = 'barrier';
  #from: DeviceRegion | null = null;
  #to: DeviceRegion | null = null;
  #root = 0;

  constructor(group: NcclGroup) {
    const { inner, peers, devices } = group;
    this.#group = group;
    this.#all = new Float64Array(2 * inner.size);
    this.#allBytes = new Uint8Array(this.#all.buffer);
    this.#parts = new NcclParts(devices, inner.rank, inner.size);
    const mark = () => peers.createMark(peers.place);
    this.#marks = { ready: mark(), done: mark(), summed: mark() };
  }

  start(call: Call, send: DeviceRegion, receive: DeviceRegion, root: number): void {
    const { inner, peers } = this.#group;
    this.#call = call;
    this.#from = send;
    this.#to = receive;
    this.#root = root;
    this.#own[CODE] = encodeCall(call, bytesEach(send), root);
    this.#own[LENGTH] = shardLength(call, send, receive, inner.size);
    peers.markCalls(this.#marks.ready);
    this.#said = inner.startAllGather(this.#ownBytes, this.#allBytes);
  }

  complete(): void {
    const { inner, peers, copies } = this.#group;
    copies.idle?.begin();
    this.#said?.wait();
    compareCalls(inner, this.#call, this.#all);
    peers.holdCopies(this.#marks.ready);
    this.#exchange();
  }

  #exchange(): void {
    const { inner, devices, sums } = this.#group;
    const [from, to] = [this.#from as DeviceRegion, this.#to as DeviceRegion];
    const length = this.#own[LENGTH] ?? 0;
    const bytes = length * bytesEach(to);
    if (this.#call === 'all-gather') {
      devices.allGather(from.byteOffset, to.byteOffset, bytes);
      this.#end();
    } else if (this.#call === 'all-to-all') {
      this.#allToAll(from.byteOffset, to.byteOffset, bytes);
      this.#end();
    } else if (this.#call === 'broadcast') {
      this.#broadcast(to.byteOffset, bytes);
      this.#end();
    } else if (this.#call === 'reduce-scatter') {
      this.#parts.begin(from.byteOffset, length, length * inner.size);
      sums.reduce(this.#parts, to.byteOffset);
    } else if (length <= sums.chunkLength(inner.size)) {
      this.#sumForItself(to, length);
    } else {
      this.#sumShards(to, length);
    }
  }

  #allToAll(from: number, to: number, bytes: number): void {
    const { inner, peers, devices } = this.#group;
    const { rank, size } = inner;
    peers.copyFrom(peers.place, from + rank * bytes, to + rank * bytes, bytes);
    devices.begin();
    for (let peer = 0; peer < size; peer++) {
      if (peer === rank) continue;
      devices.send(peer, from + peer * bytes, bytes);
      devices.receive(peer, to + peer * bytes, bytes);
    }
    devices.end();
  }

  #broadcast(at: number, bytes: number): void {
    const { inner, devices } = this.#group;
    const { rank, size } = inner;
    devices.begin();
    if (rank !== this.#root) devices.receive(this.#root, at, bytes);
    else for (let peer = 0; peer < size; peer++) if (peer !== rank) devices.send(peer, at, bytes);
    devices.end();
  }

  /** Every rank sums all: over its region, once that has been sent. */
  #sumForItself({ byteOffset: out }: DeviceRegion, count: number): void {
    const { sums } = this.#group;
    this.#parts.begin(out, 0, count);
    const half = sums.copy(this.#parts, 0);
    this.#end();
    sums.add(this.#parts, half, { from: 0, count, out });
  }

  /** Each rank sums a shard over its own region; then all gather the shards. */
  #sumShards({ byteOffset }: DeviceRegion, count: number): void {
    const { sums, peers, devices, inner, copies } = this.#group;
    const { rank, size } = inner;
    const parts = this.#parts;
    parts.begin(byteOffset, summedEach(count, size), count);
    sums.reduce(parts, parts.own);
    peers.markCalls(this.#marks.summed);
    copies.idle?.begin();
    peers.holdCopies(this.#marks.summed);
    devices.begin();
    for (let peer = 0; peer < size; peer++) {
      if (peer === rank) continue;
      devices.send(peer, parts.own, 4 * parts.lengthOf(rank));
      devices.receive(peer, byteOffset + 4 * parts.startOf(peer), 4 * parts.lengthOf(peer));
    }
    devices.end();
    this.#end();
  }

  /** The calls that follow wait for the messages. */
  #end(): void {
    const { peers, copies } = this.#group;
    peers.markCopies(this.#marks.done);
    peers.holdCalls(this.#marks.done);
    copies.idle?.end();
  }
}
