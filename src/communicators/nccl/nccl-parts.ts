import type { LinkedDevices } from '../../tensor/device-messages.js';
import type { SumParts } from '../devices/device-sums.js';

/** Parts of a sum in the memory of the devices of several processes, which send each other what the other sums. */
export class NcclParts implements SumParts {
  readonly rank: number;
  readonly ranks: number;
  readonly #devices: LinkedDevices;
  #address = 0;
  #each = 0;
  #total = 0;

  constructor(devices: LinkedDevices, rank: number, ranks: number) {
    this.#devices = devices;
    this.rank = rank;
    this.ranks = ranks;
  }

  /** Rank r sums the r-th `each` of so many numbers from this address on, of which the last ranks may have fewer.
   * @param each 0: every rank sums all */
  begin(address: number, each: number, total: number): void {
    this.#address = address;
    this.#each = each;
    this.#total = total;
  }

  get own(): number {
    return this.#address + 4 * this.startOf(this.rank);
  }
  get length(): number {
    return this.lengthOf(this.rank);
  }
  /** The first rank's. */
  get longest(): number {
    return this.lengthOf(0);
  }
  /** Where the numbers begin that a rank sums. */
  startOf(rank: number): number {
    return Math.min(this.#total, rank * this.#each);
  }
  lengthOf(rank: number): number {
    if (this.#each === 0) return this.#total;
    return this.startOf(rank + 1) - this.startOf(rank);
  }

  copy(from: number, most: number, at: number, stride: number): void {
    const bytesOf = (rank: number) => 4 * Math.max(0, Math.min(most, this.lengthOf(rank) - from));
    const own = bytesOf(this.rank);
    this.#devices.begin();
    for (let peer = 0; peer < this.ranks; peer++) {
      if (peer === this.rank) continue;
      this.#devices.send(peer, this.#address + 4 * (this.startOf(peer) + from), bytesOf(peer));
      this.#devices.receive(peer, at + peer * stride, own);
    }
    this.#devices.end();
  }
}
