import type { IdleClock } from '../../tensor/region-copies.js';
import type { Calls } from './calls.js';
import type { Device } from './device.js';

/** Two events, which know when they came. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** Time between two events on the device's stream: none where it has work until the second one is called. */
export class IdleTime implements IdleClock {
  readonly #device: Device;
  readonly #calls: Calls;
  readonly #free: Span[] = [];
  /** The oldest first. */
  readonly #under: Span[] = [];
  #begun: Span | null = null;
  #totalS = 0;

  constructor(device: Device, calls: Calls) {
    this.#device = device;
    this.#calls = calls;
  }

  begin(): void {
    this.#calls.submit();
    this.#collect();
    this.#begun ??= this.#free.pop() ?? {
      from: this.#device.createEvent('timed'),
      to: this.#device.createEvent('timed'),
    };
    this.#device.record(this.#begun.from);
  }

  end(): void {
    if (this.#begun === null) return;
    this.#calls.submit();
    this.#device.record(this.#begun.to);
    this.#under.push(this.#begun);
    this.#begun = null;
  }

  totalS(): number {
    this.#collect();
    return this.#totalS;
  }

  #collect(): void {
    for (;;) {
      const oldest = this.#under[0];
      if (oldest === undefined || !this.#device.hasCome(oldest.to)) return;
      this.#totalS += this.#device.elapsedMs(oldest.from, oldest.to) / 1000;
      this.#under.shift();
      this.#free.push(oldest);
    }
  }
}
