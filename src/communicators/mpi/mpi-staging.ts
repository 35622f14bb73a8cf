import { addIn, TreeSum } from '../tree-sum.js';
import { addKernel } from '../add-kernel.js';
import {
  growableMemory,
  PAGE_BYTES,
  type WasmMemory,
  type WasmModule,
} from '../../base/web-assembly.js';
import type { Payload } from '../communicator.js';

/** Start of the memory, where a kernel module keeps what is its own. */
const RESERVED_BYTES = 2 * 1024 * 1024;

/** Where the ranks' parts of a sum arrive and are added: a region for each collective in flight,
 * which grows with the payloads and is kept. */
export class Staging {
  readonly #memory: WasmMemory;
  readonly #kernels: WasmModule | null;
  readonly #regions: { start: number; bytes: number }[];
  #end = RESERVED_BYTES;
  #bytes: Uint8Array;
  #float32: Float32Array;
  #float64: Float64Array;
  #sum32: TreeSum;
  #sum64: TreeSum;

  constructor(regions: number, kernels: WasmModule | null) {
    this.#memory = growableMemory(RESERVED_BYTES / PAGE_BYTES);
    this.#kernels = kernels;
    this.#regions = Array.from({ length: regions }, () => ({ start: 0, bytes: 0 }));
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#float32 = new Float32Array(this.#memory.buffer);
    this.#float64 = new Float64Array(this.#memory.buffer);
    this.#sum32 = this.#makeSum32();
    this.#sum64 = new TreeSum(addIn(this.#float64), 0, 0);
  }

  /** The whole memory; another one after `reserve`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Start of a region of at least so many bytes.
   * @throws RangeError when there is no memory for it */
  reserve(region: number, bytes: number): number {
    const place = this.#regions[region] ?? { start: 0, bytes: 0 };
    if (place.bytes >= bytes) return place.start;
    // Doubled, so that what outgrown regions leave unused is less than what is used.
    const wanted = 64 * Math.ceil(Math.max(bytes, 2 * place.bytes) / 64);
    place.start = this.#end;
    place.bytes = wanted;
    this.#end += wanted;
    const missing = this.#end - this.#memory.buffer.byteLength;
    if (missing > 0) this.#grow(Math.ceil(missing / PAGE_BYTES));
    return place.start;
  }

  /** Adds `ranks` blocks as long as `out`, one after another from `start`, by the fixed tree, and
   * copies the sum to `out`. */
  sumInto(out: Payload, start: number, ranks: number): void {
    const count = out.length;
    if (count === 0) return;
    const bytes = out.BYTES_PER_ELEMENT;
    (bytes === 8 ? this.#sum64 : this.#sum32).inPlace(start, bytes * count, ranks, count);
    const memory = bytes === 8 ? this.#float64 : this.#float32;
    out.set(memory.subarray(start / bytes, start / bytes + count));
  }

  #grow(pages: number): void {
    this.#memory.grow(pages);
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#float32 = new Float32Array(this.#memory.buffer);
    this.#float64 = new Float64Array(this.#memory.buffer);
    this.#sum32 = this.#makeSum32();
    this.#sum64 = new TreeSum(addIn(this.#float64), 0, 0);
  }

  #makeSum32(): TreeSum {
    const kernels = this.#kernels;
    const add = kernels === null ? addIn(this.#float32) : addKernel(kernels, this.#memory);
    return new TreeSum(add, 0, 0);
  }
}
