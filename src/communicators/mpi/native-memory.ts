import { addressReader } from '../../native/library.js';

/** Reads where buffers lie, and remembers it: MPI is given addresses. */
export class Addresses {
  readonly #read: (buffer: ArrayBuffer | SharedArrayBuffer) => number;
  readonly #known = new WeakMap<object, number>();

  private constructor(read: (buffer: ArrayBuffer | SharedArrayBuffer) => number) {
    this.#read = read;
  }
  static async create(): Promise<Addresses> {
    return new Addresses(await addressReader());
  }

  /** The address of a view's first element; it holds while the view is referenced. */
  of(view: ArrayBufferView): number {
    const { buffer } = view;
    let base = this.#known.get(buffer);
    if (base === undefined) {
      base = this.#read(buffer);
      this.#known.set(buffer, base);
    }
    return base + view.byteOffset;
  }
}
