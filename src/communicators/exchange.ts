import type { Communicator } from './communicator.js';

/** How ranks agree on something besides tensors: bytes, from the first that failed or rank 0. */
export class Exchange {
  readonly #communicator: Communicator;

  constructor(communicator: Communicator) {
    this.#communicator = communicator;
  }

  /** @returns what the first failed rank gave; if none has, what rank 0 gave */
  first(failed: boolean, bytes: Uint8Array): { failed: boolean; bytes: Uint8Array } {
    const { size, rank } = this.#communicator;
    const words = Math.ceil(bytes.length / 8);
    const heads = new Float32Array(3 * size);
    const bound = 2 ** 20;
    // Exact in float32; payloads are float64 words, which no one rounds.
    const own = [failed ? 1 : 0, words % bound, Math.floor(words / bound)];
    this.#communicator.allGather(new Float32Array(own), heads);
    const failing = Array.from({ length: size }, (_, i) => i).find((i) => heads[3 * i] === 1);
    const root = failing ?? 0;
    const length = (heads[3 * root + 1] ?? 0) + bound * (heads[3 * root + 2] ?? 0);
    const buffer = new Float64Array(length);
    const view = new Uint8Array(buffer.buffer);
    if (rank === root) view.set(bytes);
    this.#communicator.broadcast(buffer, root);
    return { failed: failing !== undefined, bytes: view };
  }
}
