import { treeSplit } from './communicator.js';
import type { Add } from './add-kernel.js';

/**
 * Sums the ranks' blocks, which lie `strideBytes` apart, by the fixed tree over ranks. Addresses
 * are in bytes.
 */
export class TreeSum {
  readonly #add: Add;
  readonly #scratch: number;
  readonly #levelBytes: number;
  /** Of the blocks that are summed aside. */
  #strideBytes = 0;
  #count = 0;

  /** @param scratch room for one block of `levelBytes` for each level of the tree */
  constructor(add: Add, scratch: number, levelBytes: number) {
    this.#add = add;
    this.#scratch = scratch;
    this.#levelBytes = levelBytes;
  }

  /** Leaves the sum in the first block, and partial sums in others. */
  inPlace(address: number, strideBytes: number, ranks: number, count: number): void {
    if (ranks === 1) return;
    const split = treeSplit(ranks);
    const right = address + split * strideBytes;
    this.inPlace(address, strideBytes, split, count);
    this.inPlace(right, strideBytes, ranks - split, count);
    this.#add(address, right, address, count);
  }

  /** Leaves the blocks as they are. @returns the address of the sum: in scratch, or a block */
  aside(address: number, strideBytes: number, ranks: number, count: number): number {
    this.#strideBytes = strideBytes;
    this.#count = count;
    return this.#aside(address, ranks, 0);
  }

  #aside(address: number, ranks: number, level: number): number {
    if (ranks === 1) return address;
    const split = treeSplit(ranks);
    const out = this.#scratch + level * this.#levelBytes;
    // The left sum may lie in this level's scratch while the right one uses the levels below.
    const left = this.#aside(address, split, level);
    const right = this.#aside(address + split * this.#strideBytes, ranks - split, level + 1);
    this.#add(left, right, out, this.#count);
    return out;
  }
}

/** `add` in JavaScript. Addition is rounded to the array's precision as it is stored: for float32
 * the double rounding is exact, because float64 has more than twice its digits. */
export function addIn(memory: Float32Array | Float64Array): Add {
  const bytes = memory.BYTES_PER_ELEMENT;
  return (a, b, out, count) => {
    const fromA = a / bytes;
    const fromB = b / bytes;
    const to = out / bytes;
    for (let i = 0; i < count; i++) {
      memory[to + i] = (memory[fromA + i] ?? 0) + (memory[fromB + i] ?? 0);
    }
  };
}
