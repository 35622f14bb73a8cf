import type { IdleClock } from '../../tensor/region-copies.js';
import type { PeerCopies } from '../../tensor/peer-copies.js';
import { treeSplit } from '../communicator.js';

/** Parts of a sum, one in the memory of each rank; this rank's is read where it is. */
export interface SumParts {
  readonly rank: number;
  readonly ranks: number;
  /** Address of the own part. */
  readonly own: number;
  /** float32 numbers that this rank sums. */
  readonly length: number;
  /** The most that a rank sums: all go on until it is done. */
  readonly longest: number;
  /** Starts copies of `most` numbers of each other rank's part, or of what is left, from number `from` on.
   * @param at address of where that of rank 0 would go, and so on every `stride` bytes */
  copy(from: number, most: number, at: number, stride: number): void;
}

/** Numbers that each rank sums of so many, of which the last ranks may have fewer. */
export function summedEach(count: number, ranks: number): number {
  return 64 * Math.ceil(count / ranks / 64);
}

/** What the room takes of a device's memory, unless a test says. */
export const ROOM_BYTES = 16 * 2 ** 20;

/** A half of the room: parts are copied into one while those in the other are added. */
interface Half {
  readonly at: number;
  /** Behind the copies into it. */
  readonly copied: number;
  /** Behind the calls that read it. */
  readonly read: number;
}

/** What an engine sums of other devices' memory: their parts are brought into room of its own, and added there by
 * the fixed tree over ranks, as on hosts. One for all groups of an engine. */
export class DeviceSums {
  readonly #peers: PeerCopies;
  readonly #idle: IdleClock | null;
  readonly #roomBytes: number;
  /** Address of the room, of which nothing is in use between sums that have run. */
  readonly room: number;
  readonly #halves: readonly [Half, Half];
  #turn = 0;
  // Of the sum that is made:
  #parts: SumParts | null = null;
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
  copy(parts: SumParts, from: number): Half {
    const half = this.#half();
    this.#peers.holdCopies(half.read);
    const most = this.chunkLength(parts.ranks);
    parts.copy(from, most, half.at, 4 * most);
    return half;
  }

  /** Adds what `copy` has brought, once calls wait for it. @param out address of the sum of the chunk; may be
   * that of the own part's */
  add(parts: SumParts, half: Half, { from, count, out }: Chunk): void {
    this.#parts = parts;
    this.#at = half.at;
    this.#stride = 4 * this.chunkLength(parts.ranks);
    this.#from = from;
    this.#count = count;
    this.#tree(0, parts.ranks, out);
    this.#peers.markCalls(half.read);
  }

  /** out = the sum of the parts, chunk by chunk. The engine's idle clock has begun, and has ended then. */
  reduce(parts: SumParts, out: number): void {
    const { length, longest, ranks } = parts;
    const chunk = this.chunkLength(ranks);
    for (let from = 0; from < longest; from += chunk) {
      if (from > 0) this.#idle?.begin();
      const half = this.copy(parts, from);
      this.#peers.markCopies(half.copied);
      this.#peers.holdCalls(half.copied);
      this.#idle?.end();
      const count = Math.min(chunk, length - from);
      if (count > 0) this.add(parts, half, { from, count, out: out + 4 * from });
    }
    if (longest === 0) this.#idle?.end();
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
    const { rank: own, own: at } = this.#parts as SumParts;
    return rank === own ? at + 4 * this.#from : this.#block(rank);
  }
  #block(rank: number): number {
    return this.#at + rank * this.#stride;
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
