import { UnsupportedError } from '../../base/errors.js';
import type { Slots, UpdateOperands } from '../engine.js';
import type { Calls } from './calls.js';
import type { Device } from './device.js';
import type { Launcher } from './launcher.js';
import type { Staging } from './staging.js';
import { partsOf } from './sums.js';

// `Row` of kernels/cuda/arguments.cuh, in bytes.
const ROW_BYTES = 56;
const AT = { copy: 32, n: 40, blocks: 48 } as const;
/** Numbers that an optimizer takes, at most. */
const MOST_NUMBERS = 10;

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
 * Steps of optimizers over all tensors of a list, in one launch and one for the sums of squares. Every
 * tensor has the blocks that it would have alone, so that bits do not depend on what else is in the list.
 * What changes from step to step is written to the device before the launch, which is always the same.
 */
export class Updates {
  readonly #device: Device;
  readonly #calls: Calls;
  readonly #launcher: Launcher;
  readonly #staging: Staging;
  readonly #tables = new WeakMap<readonly UpdateOperands[], Table>();
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
    const { rows, numbers, parts, blocks } = this.#current(tensors);
    const launch = this.#launcher.of(kernel).at(0, rows).at(1, numbers).at(7, parts);
    launch.kind(kind).table(tensors.length).blocks(blocks);
    const finish = this.#launcher.of('finish_sums').at(0, rows).at(1, parts);
    finish
      .at(2, byteOffset + 8 * at)
      .table(tensors.length)
      .blocks(tensors.length);
    // Nothing has to follow for a while.
    this.#calls.submit();
  }

  /** The table of the list, with the numbers of this step. */
  #current(tensors: readonly UpdateOperands[]): Table {
    let table = this.#tables.get(tensors);
    if (table === undefined) {
      table = this.#made(tensors);
      this.#tables.set(tensors, table);
    }
    const { written, numbers } = table;
    if (this.#numbers.some((value, i) => !Object.is(value, written[i]))) {
      written.set(this.#numbers);
      this.#staging.write(written, numbers);
    }
    return table;
  }

  #made(tensors: readonly UpdateOperands[]): Table {
    const bytes = new ArrayBuffer(ROW_BYTES * tensors.length);
    let blocks = 0;
    for (const [i, { weights, gradient, states, copy }] of tensors.entries()) {
      const row = new DataView(bytes, ROW_BYTES * i);
      const place = (at: number, value: number) => row.setBigUint64(at, BigInt(value), true);
      for (const [j, one] of [weights, gradient, ...states].entries()) place(8 * j, one.byteOffset);
      place(AT.copy, copy?.byteOffset ?? 0);
      place(AT.n, weights.length);
      row.setUint32(AT.blocks, blocks, true);
      const own = partsOf(weights.length);
      row.setUint32(AT.blocks + 4, own, true);
      blocks += own;
    }
    const allocated = (size: number) => {
      const at = this.#device.allocate(size);
      if (at !== null) return at;
      const what = `${this.#device.name} has none for a table of ${tensors.length} tensors`;
      throw new UnsupportedError('engine memory', what);
    };
    const rows = allocated(bytes.byteLength);
    this.#device.write(new Uint8Array(bytes), rows);
    const written = new Float32Array(MOST_NUMBERS).fill(Number.NaN);
    const numbers = allocated(written.byteLength);
    const parts = allocated(8 * Math.max(1, blocks));
    return { rows, numbers, parts, blocks, written };
  }
}
