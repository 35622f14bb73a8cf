import { addressReader } from '../../native/library.js';
import { addressAt, type Calls } from './calls.js';
import type { Device } from './device.js';

/** Every kernel of `kernels/cuda/`. */
export const KERNELS = [
  'adam_step',
  'add',
  'add_scaled_columns',
  'axpy',
  'bias_activation',
  'bias_activation_gradient',
  'column_dots',
  'cross_entropy',
  'decode_bfloat16',
  'decode_int8',
  'dropout',
  'element_loss',
  'encode_bfloat16',
  'encode_int8',
  'finish_columns',
  'finish_sum',
  'finish_sums',
  'inverse_rms',
  'multiply',
  'rms_correction',
  'scale',
  'scale_columns',
  'scale_matrix',
  'sgd_step',
  'sum_of_squares',
  'sums_of_squares',
] as const;
export type KernelName = (typeof KERNELS)[number];

/** `THREADS` of `kernels/cuda/common.cuh`. */
const THREADS = 256;
/** Kernels of elements go over them again rather than have more blocks. */
const MOST_BLOCKS = 8192;

// `Arguments` of kernels/cuda/arguments.cuh, in bytes.
const BYTES = 176;
const WORDS = BYTES / 4;
const AT = { n: 64, integers: 72, reals: 96, words: 144 };

/** What has an address. */
interface Placed {
  readonly byteOffset: number;
}

/** Launches kernels, each with one block of arguments. */
export class Launcher {
  readonly #calls: Calls;
  readonly #kind: number;
  readonly #kernels: Record<KernelName, number>;
  readonly #buffer = new ArrayBuffer(BYTES);
  readonly #addresses = new BigUint64Array(this.#buffer, 0, 8);
  readonly #n = new BigUint64Array(this.#buffer, AT.n, 1);
  readonly #integers = new Uint32Array(this.#buffer, AT.integers, 6);
  readonly #reals = new Float32Array(this.#buffer, AT.reals, 12);
  readonly #words = new Uint32Array(this.#buffer, AT.words, 8);
  readonly #block = new Uint32Array(this.#buffer);
  /** The block of the launch that is made, which the driver copies, and its address: what a launch gets is the
   * address of this. */
  readonly #launched = new Uint32Array(new ArrayBuffer(BYTES));
  readonly #parameters = new BigUint64Array(new ArrayBuffer(8));
  #kernel = 0;

  private constructor(
    device: Device,
    calls: Calls,
    binary: Uint8Array,
    address: (buffer: ArrayBuffer) => number,
  ) {
    this.#calls = calls;
    this.#kernels = device.kernels(binary, KERNELS);
    this.#parameters[0] = BigInt(address(this.#launched.buffer));
    const parametersAt = address(this.#parameters.buffer);
    this.#kind = calls.kind(4 + WORDS, (words, at) => {
      for (let i = 0; i < WORDS; i++) this.#launched[i] = words[at + 4 + i] ?? 0;
      device.launch(addressAt(words, at + 1), words[at + 3] ?? 0, THREADS, parametersAt);
    });
  }

  /** @param binary the compiled kernels */
  static async open(device: Device, calls: Calls, binary: Uint8Array): Promise<Launcher> {
    return new Launcher(device, calls, binary, await addressReader());
  }

  /** Begins a launch. Addresses are null, and numbers zero, until they are set. */
  of(kernel: KernelName): this {
    this.#kernel = this.#kernels[kernel];
    this.#block.fill(0);
    return this;
  }
  /** An address, by its place in `at`. */
  at(place: number, array: Placed | number | null): this {
    const address = typeof array === 'number' ? array : (array?.byteOffset ?? 0);
    this.#addresses[place] = BigInt(address);
    return this;
  }
  sizes(rows: number, columns: number, valid = 0): this {
    this.#integers[0] = rows;
    this.#integers[1] = columns;
    this.#integers[2] = valid;
    return this;
  }
  kind(kind: number, flags = 0): this {
    this.#integers[3] = kind;
    this.#integers[4] = flags;
    return this;
  }
  /** Address 0 is a table of so many tensors. */
  table(tensors: number): this {
    this.#integers[5] = tensors;
    return this;
  }
  /** Floating-point numbers, from the first on. */
  reals(...values: readonly number[]): this {
    this.#reals.set(values);
    return this;
  }
  /** Words of 32 bits, from the first on. */
  words(...values: readonly number[]): this {
    this.#words.set(values);
    return this;
  }

  /** Launches a thread for each of n elements, up to a number from which threads take several. */
  each(n: number): void {
    this.blocks(Math.min(MOST_BLOCKS, Math.ceil(n / THREADS)), n);
  }
  /** The same for kernels whose threads take four elements at a time. */
  fours(n: number): void {
    this.blocks(Math.min(MOST_BLOCKS, Math.ceil(n / (4 * THREADS))), n);
  }
  /** Launches as many blocks; none where there are none. */
  blocks(blocks: number, n = 0): void {
    if (blocks === 0) return;
    this.#n[0] = BigInt(n);
    const at = this.#calls.add(this.#kind);
    this.#calls.place(at + 1, this.#kernel);
    this.#calls.words[at + 3] = blocks;
    this.#calls.words.set(this.#block, at + 4);
  }
}
