import { PHASE, type PhaseClock, PHASES } from '../../base/phases.js';
import type { Calls } from './calls.js';
import type { Device } from './device.js';

/** Changes between two looks at their times, at most; the device is then waited for. */
const MOST_CHANGES = 2 ** 16;
/** Phases in which the host waits for others: what begins or ends there is told to the device at once. */
const HOST_WAITS: ReadonlySet<number> = new Set([PHASE.waiting, PHASE.data]);

/**
 * Phases by the time of a device's stream. A change is an event among the calls, also in a graph of them. A
 * moment in which the device has nothing to do belongs to the phase of the call that it did last, and to
 * `waiting` or `data` from where the host began to wait and the device had done what was called before.
 * Times are looked at where the device has been waited for anyway (`mark`, `collect`), and in `timesS` and `reset`, which
 * wait for it.
 */
export class StreamPhases implements PhaseClock {
  readonly #device: Device;
  readonly #calls: Calls;
  readonly #timesMs = new Float64Array(PHASES.length);
  /** Of the changes since the last look, made as they are needed: the same ones after every look, so that graphs
   * can come again. */
  readonly #events: number[] = [];
  /** What begins at each of them. */
  readonly #phases: number[] = [];
  #changes = 0;
  /** The end of the last look, where this one begins, and what was on. */
  #begin: number;
  #beginPhase = PHASE.other;
  #end: number;
  #phase = PHASE.other;

  constructor(device: Device, calls: Calls) {
    this.#device = device;
    this.#calls = calls;
    this.#begin = device.createEvent('timed');
    this.#end = device.createEvent('timed');
    calls.submit();
    device.record(this.#begin);
  }

  enter(phase: number): number {
    const before = this.#phase;
    if (phase === before) return before;
    this.#phase = phase;
    const last = this.#events[this.#changes - 1];
    if (last !== undefined && this.#calls.endsWith(last)) {
      // Nothing has been called since: this is the change.
      this.#phases[this.#changes - 1] = phase;
    } else this.#record(phase);
    if (HOST_WAITS.has(before) || HOST_WAITS.has(phase)) this.#calls.submit();
    return before;
  }
  reset(): void {
    this.#look();
    this.#timesMs.fill(0);
  }
  timesS(): number[] {
    this.#look();
    return Array.from(this.#timesMs, (timeMs) => timeMs / 1000);
  }

  /** What happens when is recorded of the host's time alone. */
  traceTo(): void {}
  beginPass(): void {}
  countUnderWay(): void {}

  /** Ends what is looked at next. To be called where all calls have been made, before they are waited for. */
  mark(): void {
    this.#device.record(this.#end);
  }
  /** Adds up what has come, after the wait. */
  collect(): void {
    let from = this.#begin;
    let phase = this.#beginPhase;
    for (let i = 0; i < this.#changes; i++) {
      const to = this.#events[i] ?? 0;
      this.#add(phase, from, to);
      from = to;
      phase = this.#phases[i] ?? 0;
    }
    this.#add(phase, from, this.#end);
    [this.#begin, this.#end] = [this.#end, this.#begin];
    this.#beginPhase = phase;
    this.#changes = 0;
  }

  #record(phase: number): void {
    if (this.#changes === MOST_CHANGES) this.#look();
    const event = (this.#events[this.#changes] ??= this.#device.createEvent('timed'));
    this.#phases[this.#changes++] = phase;
    this.#calls.record(event);
  }
  #add(phase: number, from: number, to: number): void {
    this.#timesMs[phase] = (this.#timesMs[phase] ?? 0) + this.#device.elapsedMs(from, to);
  }
  #look(): void {
    this.#calls.submit();
    this.mark();
    this.#device.synchronize();
    this.collect();
  }
}
