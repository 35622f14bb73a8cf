import { UnsupportedError } from '../../base/errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { Slots, UpdateOperands } from '../engine.js';
import type { Calls } from './calls.js';
import type { Device } from './device.js';
import type { Launcher } from './kernel-launcher.js';
import type { Staging } from './staging.js';
import { partsOf } from './sums.js';

// `Row` of kernels/cuda/arguments.cuh, in bytes.
const ROW_BYTES = 56;
const AT = { copy: 32, n: 40, blocks: 48 } as const;
/** Numbers that an optimizer takes, at most. */
const MOST_NUMBERS = 10;

/** What a row of a table is about, arrays of n elements. */
interface RowOperands {
  readonly n: number;
  readonly arrays: readonly Tensor[];
  readonly copy: Tensor<'bfloat16'> | null;
}

/** Tensors of one list: a table of them in the device's memory, the numbers of a step beside it. */
interface Table {
  /** Addresses: of the rows, the numbers, and what blocks leave of sums. */
  readonly rows: number;
  readonly numbers: number;
  readonly parts: number;
  readonly blocks: number;
  /** What is written at `numbers`. */
  readonly written: Float32Array;
}

/**
 * Steps of optimizers, or sums of squares, over all tensors of a list, in one launch and one that adds up. Every
 * tensor has the blocks that it would have alone, so that bits do not depend on what else is in the list.
 * What changes from step to step is written to the device before the launch, which is always the same.
 */
export class Updates {
  readonly #device: Device;
  readonly #calls: Calls;
  readonly #launcher: Launcher;
  readonly #staging: Staging;
  readonly #tables = new WeakMap<readonly UpdateOperands[] | readonly Tensor[], Table>();
  readonly #numbers = new Float32Array(MOST_NUMBERS);

  constructor(device: Device, calls: Calls, launcher: Launcher, staging: Staging) {
    this.#device = device;
    this.#calls = calls;
    this.#launcher = launcher;
    this.#staging = staging;
  }

  /** The numbers of the next step, in the order in which its kernel has them. */
  numbers(...values: readonly number[]): this {
    this.#numbers.fill(0);
    this.#numbers.set(values);
    return this;
  }

  /** @param kind of the kernel. Σ gradient² of tensor i goes into the slot at + i. */
  step(
    kernel: 'adam_step' | 'sgd_step',
    kind: number,
    tensors: readonly UpdateOperands[],
    { byteOffset }: Slots,
    at: number,
  ): void {
    if (tensors.length === 0) return;
    const table = this.#current(tensors);
    const { rows, numbers, parts, blocks } = table;
    const launch = this.#launcher.of(kernel).at(0, rows).at(1, numbers).at(7, parts);
    launch.kind(kind).table(tensors.length).blocks(blocks);
    this.#finish(table, tensors.length, byteOffset + 8 * at);
    // Nothing has to follow for a while.
    this.#calls.submit();
  }

  /** Σ x² of tensor i goes into the slot at + i. */
  squares(tensors: readonly Tensor[], { byteOffset }: Slots, at: number): void {
    let table = this.#tables.get(tensors);
    if (table === undefined) {
      table = this.#made(tensors.map((x) => ({ n: x.length, arrays: [x], copy: null })));
      this.#tables.set(tensors, table);
    }
    const { rows, parts, blocks } = table;
    if (blocks > 0) {
      const launch = this.#launcher.of('sums_of_squares').at(0, rows).at(7, parts);
      launch.table(tensors.length).blocks(blocks);
    }
    if (tensors.length > 0) this.#finish(table, tensors.length, byteOffset + 8 * at);
  }

  /** Adds up what blocks have left of each row. */
  #finish({ rows, parts }: Table, count: number, slots: number): void {
    const finish = this.#launcher.of('finish_sums').at(0, rows).at(1, parts).at(2, slots);
    finish.table(count).blocks(count);
  }

  /** The table of the list, with the numbers of this step. */
  #current(tensors: readonly UpdateOperands[]): Table {
    let table = this.#tables.get(tensors);
    if (table === undefined) {
      table = this.#made(
        tensors.map(({ weights, gradient, states, copy }) => ({
          n: weights.length,
          arrays: [weights, gradient, ...states],
          copy,
        })),
      );
      this.#tables.set(tensors, table);
    }
    const { written, numbers } = table;
    if (this.#numbers.some((value, i) => !Object.is(value, written[i]))) {
      written.set(this.#numbers);
      this.#staging.write(written, numbers);
    }
    return table;
  }

  #made(tensors: readonly RowOperands[]): Table {
    const bytes = new ArrayBuffer(ROW_BYTES * tensors.length);
    let blocks = 0;
    for (const [i, { n, arrays, copy }] of tensors.entries()) {
      const row = new DataView(bytes, ROW_BYTES * i);
      const place = (at: number, value: number) => row.setBigUint64(at, BigInt(value), true);
      for (const [j, one] of arrays.entries()) place(8 * j, one.byteOffset);
      place(AT.copy, copy?.byteOffset ?? 0);
      place(AT.n, n);
      row.setUint32(AT.blocks, blocks, true);
      const own = partsOf(n);
      row.setUint32(AT.blocks + 4, own, true);
      blocks += own;
    }
    const allocated = (size: number) => {
      const at = this.#device.allocate(size);
      if (at !== null) return at;
      const what = `${this.#device.name} has none for a table of ${tensors.length} tensors`;
      throw new UnsupportedError('engine memory', what);
    };
    const rows = allocated(Math.max(ROW_BYTES, bytes.byteLength));
    this.#device.write(new Uint8Array(bytes), rows);
    const written = new Float32Array(MOST_NUMBERS).fill(Number.NaN);
    const numbers = allocated(written.byteLength);
    const parts = allocated(8 * Math.max(1, blocks));
    return { rows, numbers, parts, blocks, written };
  }
}
