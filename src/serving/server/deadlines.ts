/** Tells what takes longer than it may. All share one timer: one each costs as much as reading a row. */
export class Deadlines<Item> {
  readonly #withinMs: number;
  readonly #onLate: (item: Item) => void;
  /** When each was begun, the oldest first. */
  readonly #begun = new Map<Item, number>();
  #timed = false;

  constructor(withinMs: number, onLate: (item: Item) => void) {
    this.#withinMs = withinMs;
    this.#onLate = onLate;
  }

  begin(item: Item): void {
    this.#begun.set(item, performance.now());
    if (!this.#timed) this.#lookAfter(this.#withinMs);
  }

  /** Forgets it. */
  end(item: Item): void {
    this.#begun.delete(item);
  }

  #lookAfter(ms: number): void {
    this.#timed = true;
    const timer = setTimeout(() => {
      this.#timed = false;
      this.#look();
    }, ms);
    // It may be about nothing by then.
    timer.unref();
  }

  #look(): void {
    const now = performance.now();
    for (const [item, begunMs] of this.#begun) {
      const leftMs = begunMs + this.#withinMs - now;
      if (leftMs > 0) {
        this.#lookAfter(leftMs);
        return;
      }
      this.#begun.delete(item);
      this.#onLate(item);
    }
  }
}
