import { performance } from 'node:perf_hooks';

/** Longest time of the slices between two looks at the sockets, apart from the last of them. */
const TURN_MS = 8;
/** Less than this is not worth another look at the sockets. */
const NOTHING_MS = 1;

/**
 * Shares the main thread among requests: long work is cut into slices of a millisecond or so, which
 * run in the order in which they came, and only so many of them before sockets are looked at again.
 */
export class WorkSlices {
  readonly #waiting: (() => void)[] = [];
  #spentMs = 0;
  #scheduled = false;

  /** Does a slice of work, at once if there is time for it. @throws what the work throws */
  run<T>(work: () => T): T | Promise<T> {
    if (this.#waiting.length === 0 && this.#spentMs < TURN_MS) return this.#timed(work);
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(this.#timed(work));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #timed<T>(work: () => T): T {
    const began = performance.now();
    try {
      return work();
    } finally {
      this.#spentMs += performance.now() - began;
      if (this.#spentMs > NOTHING_MS) this.#schedule();
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#spentMs = 0;
      while (this.#spentMs < TURN_MS) {
        const next = this.#waiting.shift();
        if (next === undefined) return;
        next();
      }
    });
  }
}
