import type { PeerCopies, PeerPlace } from '../../tensor/peer-copies.js';
import type { RegionCopies } from '../../tensor/region-copies.js';
import { type Call, encodeCall, shardLength } from '../call.js';
import type { PendingCollective, Transport } from '../communicator.js';
import { type DeviceSums, summedEach } from '../devices/device-sums.js';
import type { DeviceCollective, DeviceRegion } from '../devices/device-transport.js';
import { CODE, compareCalls, LENGTH } from '../devices/said-calls.js';
import { bytesEach } from '../operands.js';
import { PeerParts } from './peer-parts.js';

/** What the collectives of a group of devices share. */
export interface PeerGroup {
  readonly inner: Transport;
  /** The same ranks, with a sequence of calls of its own: meetings in waits. */
  readonly meetings: Transport;
  readonly copies: RegionCopies;
  readonly peers: PeerCopies;
  /** By rank. */
  readonly places: readonly PeerPlace[];
  readonly sums: DeviceSums;
}

/** What ranks tell one another of a collective, beside the call. From `READ` on: a mark for each rank, which that one
 * sets behind its copies, and which nobody but the teller waits for. */
const [ADDRESS, READY, SUMMED, READ] = [2, 3, 4, 5];

/**
 * A collective of regions of devices. Ranks meet three times, and nowhere does a host wait for a device:
 *
 * 1. At the start each says where its region is, and a mark behind the calls that made it.
 * 2. Once all have said so, in the wait, each has its copies wait for these marks, and starts them.
 * 3. Once all have started them, each has its calls wait for its own copies, and for the others', which read
 *    its region.
 *
 * A mark is waited for as it is set then, so that ranks have to meet before they wait. After the last meeting a
 * rank uses no mark of another's, which may have ended.
 */
export class PeerCollective implements DeviceCollective {
  readonly #group: PeerGroup;
  readonly #own: Float64Array;
  readonly #ownBytes: Uint8Array;
  readonly #all: Float64Array;
  readonly #allBytes: Uint8Array;
  readonly #parts: PeerParts;
  #said: PendingCollective | null = null;
  #call: Call = 'barrier';
  #to: DeviceRegion | null = null;
  #root = 0;

  constructor(group: PeerGroup) {
    const { peers, places, inner } = group;
    this.#group = group;
    const own = new Float64Array(READ + places.length);
    own[READY] = peers.createMark(peers.place);
    own[SUMMED] = peers.createMark(peers.place);
    for (const [rank, place] of places.entries()) own[READ + rank] = peers.createMark(place);
    this.#own = own;
    this.#ownBytes = new Uint8Array(own.buffer);
    this.#all = new Float64Array(own.length * places.length);
    this.#allBytes = new Uint8Array(this.#all.buffer);
    this.#parts = new PeerParts(peers, places, inner.rank);
  }

  start(call: Call, send: DeviceRegion, receive: DeviceRegion, root: number): void {
    const { peers, inner, places } = this.#group;
    this.#call = call;
    this.#to = receive;
    this.#root = root;
    const own = this.#own;
    own[CODE] = encodeCall(call, bytesEach(send), root);
    own[LENGTH] = shardLength(call, send, receive, places.length);
    own[ADDRESS] = send.byteOffset;
    peers.markCalls(own[READY] ?? 0);
    this.#said = inner.startAllGather(this.#ownBytes, this.#allBytes);
    peers.lend();
  }

  complete(): void {
    const { peers, copies, places } = this.#group;
    copies.idle?.begin();
    this.#said?.wait();
    compareCalls(this.#group.inner, this.#call, this.#all);
    for (let rank = 0; rank < places.length; rank++) {
      peers.holdCopies(this.#of(rank, READY));
      this.#parts.addresses[rank] = this.#of(rank, ADDRESS);
    }
    this.#copy();
    peers.returned();
  }

  #copy(): void {
    const { sums, places, copies } = this.#group;
    const { rank } = this.#parts;
    const to = this.#to as DeviceRegion;
    const length = this.#own[LENGTH] ?? 0;
    const bytes = length * bytesEach(to);
    if (this.#call === 'all-gather') {
      for (let turn = 0; turn < places.length; turn++) {
        const peer = (rank + turn) % places.length;
        this.#copyFrom(peer, 0, to.byteOffset + peer * bytes, bytes);
      }
      this.#end();
    } else if (this.#call === 'all-to-all') {
      for (let turn = 0; turn < places.length; turn++) {
        const peer = (rank + turn) % places.length;
        this.#copyFrom(peer, rank * bytes, to.byteOffset + peer * bytes, bytes);
      }
      this.#end();
    } else if (this.#call === 'broadcast') {
      if (rank !== this.#root) this.#copyFrom(this.#root, 0, to.byteOffset, bytes);
      this.#end();
    } else if (this.#call === 'reduce-scatter') {
      this.#parts.begin(bytes * rank, length);
      sums.reduce(this.#parts, to.byteOffset);
      copies.idle?.begin();
      this.#end();
    } else if (length <= sums.chunkLength(places.length)) {
      this.#sumForItself(to, length);
    } else {
      this.#sumShards(to, length);
    }
  }

  /** Every rank sums all: over its region, once all have read it. */
  #sumForItself({ byteOffset: out }: DeviceRegion, count: number): void {
    const { sums } = this.#group;
    this.#parts.begin(0, count);
    const half = sums.copy(this.#parts, 0);
    this.#end();
    sums.add(this.#parts, half, { from: 0, count, out });
  }

  /** Each rank sums a shard over its own region, where nobody else reads it; then all gather the shards. A rank
   * has read another's shard when it has summed it. */
  #sumShards({ byteOffset }: DeviceRegion, count: number): void {
    const { sums, peers, meetings, places, copies } = this.#group;
    const { rank } = this.#parts;
    const part = summedEach(count, places.length);
    const start = (peer: number) => Math.min(count, peer * part);
    const lengthOf = (peer: number) => start(peer + 1) - start(peer);
    this.#parts.begin(4 * start(rank), lengthOf(rank));
    sums.reduce(this.#parts, byteOffset + 4 * start(rank));
    peers.markCalls(this.#own[SUMMED] ?? 0);
    copies.idle?.begin();
    meetings.barrier();
    for (let turn = 1; turn < places.length; turn++) {
      const peer = (rank + turn) % places.length;
      peers.holdCopies(this.#of(peer, SUMMED));
      const at = 4 * start(peer);
      const from = this.#of(peer, ADDRESS) + at;
      peers.copyFrom(places[peer] as PeerPlace, from, byteOffset + at, 4 * lengthOf(peer));
    }
    this.#end();
  }

  /** The calls that follow wait for all copies of the group. */
  #end(): void {
    const { peers, meetings, places, copies } = this.#group;
    const { rank: own } = this.#parts;
    for (let rank = 0; rank < places.length; rank++) peers.markCopies(this.#of(rank, READ + own));
    meetings.barrier();
    for (let rank = 0; rank < places.length; rank++) peers.holdCalls(this.#of(own, READ + rank));
    copies.idle?.end();
  }

  #copyFrom(peer: number, offset: number, to: number, bytes: number): void {
    const from = this.#of(peer, ADDRESS) + offset;
    const { places } = this.#group;
    const { rank } = this.#parts;
    // The own part may be in place already.
    if (peer === rank && from === to) return;
    this.#group.peers.copyFrom(places[peer] as PeerPlace, from, to, bytes);
  }

  #of(rank: number, field: number): number {
    return this.#all[rank * this.#own.length + field] ?? 0;
  }
}
