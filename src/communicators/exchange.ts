import type { Communicator } from './communicator.js';

const TEXT_BYTES = 255;

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

  /** A short text of every rank, by rank; cut at 255 bytes. */
  texts(own: string): string[] {
    const { size } = this.#communicator;
    const send = new Float32Array(1 + TEXT_BYTES);
    const bytes = new TextEncoder().encode(own).subarray(0, TEXT_BYTES);
    send[0] = bytes.length;
    send.set(bytes, 1);
    const received = new Float32Array(size * send.length);
    this.#communicator.allGather(send, received);
    return Array.from({ length: size }, (_, rank) => {
      const from = rank * send.length + 1;
      const text = received.subarray(from, from + (received[from - 1] ?? 0));
      return new TextDecoder().decode(Uint8Array.from(text));
    });
  }
}
