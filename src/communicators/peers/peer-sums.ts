import type { IdleClock } from '../../tensor/region-copies.js';
import type { PeerCopies, PeerPlace } from '../../tensor/peer-copies.js';
import { treeSplit } from '../communicator.js';

/** Equal parts of a sum, one in the memory of each rank. */
export interface PeerParts {
  /** Of the ranks. */
  readonly places: readonly PeerPlace[];
  /** Of the first number of each part, by rank. */
  readonly addresses: Float64Array;
  /** The own one, which is read where it is. */
  readonly rank: number;
}

/** A half of the room: parts are copied into one while those in the other are added. */
interface Half {
  readonly at: number;
  /** Behind the copies into it. */
  readonly copied: number;
  /** Behind the calls that read it. */
  readonly read: number;
}

/** What an engine sums of other devices' memory: their parts are copied into room of its own, and added there by
 * the fixed tree over ranks, as on hosts. One for all groups of an engine. */
export class PeerSums {
  readonly #peers: PeerCopies;
  readonly #idle: IdleClock | null;
  readonly #roomBytes: number;
  /** Address of the room, of which nothing is in use between sums that have run. */
  readonly room: number;
  readonly #halves: readonly [Half, Half];
  #turn = 0;
  // Of the sum that is made:
  #parts: PeerParts | null = null;
  #at = 0;
  #stride = 0;
  #from = 0;
  #count = 0;

  /** @param roomBytes what is taken of the device's memory, in all: at least 512 for each rank
   * @throws UnsupportedError where the device has not as much */
  constructor(peers: PeerCopies, idle: IdleClock | null, roomBytes: number) {
    this.#peers = peers;
    this.#idle = idle;
    this.#roomBytes = roomBytes;
    this.room = peers.allocateRoom(roomBytes);
    this.#halves = this.#makeHalves();
  }

  /** float32 numbers of each part that are summed at a time. */
  chunkLength(ranks: number): number {
    return 64 * Math.floor(this.#roomBytes / (2 * 4 * 64 * ranks));
  }

  /** Copies a chunk of all others' parts, from their number `from` on. @returns the half that it is in */
  copy(parts: PeerParts, from: number, count: number): Half {
    const { places, addresses, rank } = parts;
    const half = this.#half();
    this.#peers.holdCopies(half.read);
    const stride = this.#strideOf(places.length);
    for (let turn = 1; turn < places.length; turn++) {
      const peer = (rank + turn) % places.length;
      const place = places[peer] as PeerPlace;
      const at = (addresses[peer] ?? 0) + 4 * from;
      this.#peers.copyFrom(place, at, half.at + peer * stride, 4 * count);
    }
    return half;
  }

  /** Adds what `copy` has brought, once calls wait for it. @param out address of the sum of the chunk; may be
   * that of the own part's */
  add(parts: PeerParts, half: Half, { from, count, out }: Chunk): void {
    this.#parts = parts;
    this.#at = half.at;
    this.#stride = this.#strideOf(parts.places.length);
    this.#from = from;
    this.#count = count;
    this.#tree(0, parts.places.length, out);
    this.#peers.markCalls(half.read);
  }

  /** out = the sum of `count` numbers from the parts, chunk by chunk. The engine's idle clock has begun, and has
   * ended then. */
  reduce(parts: PeerParts, count: number, out: number): void {
    const chunk = this.chunkLength(parts.places.length);
    for (let from = 0; from < count; from += chunk) {
      if (from > 0) this.#idle?.begin();
      const length = Math.min(chunk, count - from);
      const half = this.copy(parts, from, length);
      this.#peers.markCopies(half.copied);
      this.#peers.holdCalls(half.copied);
      this.#idle?.end();
      this.add(parts, half, { from, count: length, out: out + 4 * from });
    }
    if (count === 0) this.#idle?.end();
  }

  /** @returns the address of the sum over ranks from `first` on: `out`, or that of the one part */
  #tree(first: number, ranks: number, out: number): number {
    if (ranks === 1) return this.#leaf(first);
    const split = treeSplit(ranks);
    const middle = first + split;
    const left = this.#tree(first, split, this.#block(first));
    const right = this.#tree(middle, ranks - split, this.#block(middle));
    this.#peers.add(left, right, out, this.#count);
    return out;
  }
  #leaf(rank: number): number {
    const parts = this.#parts as PeerParts;
    if (rank !== parts.rank) return this.#block(rank);
    return (parts.addresses[rank] ?? 0) + 4 * this.#from;
  }
  #block(rank: number): number {
    return this.#at + rank * this.#stride;
  }

  #strideOf(ranks: number): number {
    return 4 * this.chunkLength(ranks);
  }
  #half(): Half {
    this.#turn = 1 - this.#turn;
    return this.#halves[this.#turn] as Half;
  }
  #makeHalves(): [Half, Half] {
    const half = (which: number): Half => {
      const read = this.#peers.createMark(this.#peers.place);
      // Behind the zeros that memory is filled with.
      this.#peers.markCalls(read);
      const bytes = which * (this.#roomBytes / 2);
      return { at: this.room + bytes, copied: this.#peers.createMark(this.#peers.place), read };
    };
    return [half(0), half(1)];
  }
}

/** Numbers of a part, and where their sum goes. */
interface Chunk {
  readonly from: number;
  readonly count: number;
  readonly out: number;
}
