/** Distinct views kept; more would be a sign that sizes do not recur. */
const LIMIT = 4096;

/** Views of one array, kept, so that a step that repeats makes none. */
export class Views<A extends Float32Array | Float64Array | Uint8Array> {
  readonly #array: A;
  readonly #byStart = new Map<number, Map<number, A>>();
  #count = 0;

  constructor(array: A) {
    this.#array = array;
  }

  /** Elements `from … from + length − 1`. */
  of(from: number, length: number): A {
    let byLength = this.#byStart.get(from);
    let view = byLength?.get(length);
    if (view !== undefined) return view;
    if (this.#count >= LIMIT) {
      this.#byStart.clear();
      byLength = undefined;
      this.#count = 0;
    }
    if (byLength === undefined) {
      byLength = new Map();
      this.#byStart.set(from, byLength);
    }
    view = this.#array.subarray(from, from + length) as A;
    byLength.set(length, view);
    this.#count++;
    return view;
  }
}
