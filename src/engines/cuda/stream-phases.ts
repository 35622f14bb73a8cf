import { activityOf, PHASE, type PhaseClock, PHASES } from '../../base/phases.js';
import { ACTIVITY, type StepTrace } from '../../base/step-trace.js';
import type { Calls } from './calls.js';
import type { Device } from './device.js';

/** Changes between two looks at their times, at most; the device is then waited for. */
const MOST_CHANGES = 2 ** 16;
/** Phases in which the host waits for others: what begins or ends there is told to the device at once. */
const HOST_WAITS: ReadonlySet<number> = new Set([PHASE.waiting, PHASE.data]);

/**
 * Phases by the time of a device's stream. A change, also one of passes, is an event among the calls, also in a graph
 * of them. A moment in which the device has nothing to do belongs to the phase of the call that it did last, and to
 * `waiting` or `data` from where the host began to wait and the device had done what was called before.
 * Times are looked at where the device has been waited for anyway (`mark`, `collect`), and in `timesS`, `reset` and
 * `traceTo`, which wait for it. So a step that is noted makes the calls, and the graphs, of any other.
 */
export class StreamPhases implements PhaseClock {
  readonly #device: Device;
  readonly #calls: Calls;
  readonly #timesMs = new Float64Array(PHASES.length);
  /** Of the changes since the last look, made as they are needed: the same ones after every look, so that graphs
   * can come again. */
  readonly #events: number[] = [];
  /** What begins at each of them, and what ends there (`#doing`). */
  readonly #phases: number[] = [];
  readonly #done: number[] = [];
  #changes = 0;
  /** The end of the last look, where this one begins, and what was on. */
  #begin: number;
  #beginPhase = PHASE.other;
  #end: number;
  #phase = PHASE.other;
  #pass: number = ACTIVITY.other;
  #underWay = 0;
  #trace: StepTrace | null = null;
  /** Where it has come to. */
  #tracedMs = 0;

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
    const last = this.#events[this.#changes - 1];
    if (last !== undefined && this.#calls.endsWith(last)) {
      // Nothing has been called since: this is the change.
      this.#phases[this.#changes - 1] = phase;
    } else this.#record(phase);
    this.#phase = phase;
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

  traceTo(trace: StepTrace | null): void {
    this.#look();
    this.#trace = trace;
    this.#tracedMs = 0;
    trace?.begin(0);
  }
  beginPass(pass: number): void {
    if (pass === this.#pass) return;
    const last = this.#events[this.#changes - 1];
    if (last === undefined || !this.#calls.endsWith(last)) this.#record(this.#phase);
    this.#pass = pass;
  }
  /** To be called where a phase has just begun, or ends next: no event is made for it. */
  countUnderWay(change: 1 | -1): void {
    this.#underWay += change;
  }

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
      this.#add(phase, this.#done[i] ?? 0, from, to);
      from = to;
      phase = this.#phases[i] ?? 0;
    }
    this.#add(phase, this.#doing(), from, this.#end);
    [this.#begin, this.#end] = [this.#end, this.#begin];
    this.#beginPhase = phase;
    this.#changes = 0;
  }

  #record(phase: number): void {
    if (this.#changes === MOST_CHANGES) this.#look();
    const event = (this.#events[this.#changes] ??= this.#device.createEvent('timed'));
    this.#done[this.#changes] = this.#doing();
    this.#phases[this.#changes++] = phase;
    this.#calls.record(event);
  }
  /** Twice the activity of a timeline, and 1 where a collective is under way beside it. */
  #doing(): number {
    return 2 * activityOf(this.#phase, this.#pass) + (this.#underWay > 0 ? 1 : 0);
  }
  #add(phase: number, doing: number, from: number, to: number): void {
    const timeMs = this.#device.elapsedMs(from, to);
    this.#timesMs[phase] = (this.#timesMs[phase] ?? 0) + timeMs;
    if (this.#trace === null) return;
    this.#tracedMs += timeMs;
    this.#trace.add(doing >> 1, (doing & 1) === 1, this.#tracedMs);
  }
  #look(): void {
    this.#calls.submit();
    this.mark();
    this.#device.synchronize();
    this.collect();
  }
}
