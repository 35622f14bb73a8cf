import { ProtocolError } from './protocol-error.js';

/** A request that holds no more than this is small. */
const SMALL_BYTES = 1 << 20;
/** Of the budget, what large requests may take: the rest is kept for small ones. */
export const LARGE_SHARE = 0.75;

/** What one request holds. */
export interface MemoryLease {
  /** @throws ProtocolError when there is not so much for now */
  take(bytes: number): void;
  give(bytes: number): void;
  /** Gives back all that it holds. */
  release(): void;
}

/** Bounds what all requests hold together: bodies, inputs, and answers that have not been sent. */
export class MemoryBudget {
  readonly #mostBytes: number;
  #usedBytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  lease(): MemoryLease {
    let held = 0;
    const give = (bytes: number) => {
      held -= bytes;
      this.#usedBytes -= bytes;
    };
    return {
      take: (bytes) => {
        const share = held + bytes <= SMALL_BYTES ? 1 : LARGE_SHARE;
        if (this.#usedBytes + bytes > share * this.#mostBytes) {
          const what = `${this.#usedBytes} of ${this.#mostBytes} bytes are in use`;
          throw new ProtocolError('unavailable', `the memory for requests: ${what}; try again`);
        }
        held += bytes;
        this.#usedBytes += bytes;
      },
      give,
      release: () => give(held),
    };
  }
}
