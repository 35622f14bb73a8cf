import type { PeerCopies, PeerPlace } from '../../tensor/peer-copies.js';
import type { SumParts } from '../devices/device-sums.js';

/** Equal parts of a sum in the memory of the devices of a process, from one offset of each rank's region on. */
export class PeerParts implements SumParts {
  readonly rank: number;
  readonly ranks: number;
  /** Of the regions, by rank. */
  readonly addresses: Float64Array;
  length = 0;
  readonly #peers: PeerCopies;
  readonly #places: readonly PeerPlace[];
  #offset = 0;

  constructor(peers: PeerCopies, places: readonly PeerPlace[], rank: number) {
    this.#peers = peers;
    this.#places = places;
    this.rank = rank;
    this.ranks = places.length;
    this.addresses = new Float64Array(places.length);
  }

  /** @param offset of the part that this rank sums, in bytes */
  begin(offset: number, length: number): void {
    this.#offset = offset;
    this.length = length;
  }

  /** What other ranks sum they copy themselves. */
  get longest(): number {
    return this.length;
  }
  get own(): number {
    return this.#of(this.rank);
  }

  copy(from: number, most: number, at: number, stride: number): void {
    const bytes = 4 * Math.min(most, this.length - from);
    for (let turn = 1; turn < this.ranks; turn++) {
      const peer = (this.rank + turn) % this.ranks;
      const place = this.#places[peer] as PeerPlace;
      this.#peers.copyFrom(place, this.#of(peer) + 4 * from, at + peer * stride, bytes);
    }
  }

  #of(rank: number): number {
    return (this.addresses[rank] ?? 0) + this.#offset;
  }
}
