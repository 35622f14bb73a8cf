import { ACTIVITY, type StepTrace } from './step-trace.js';

/** What a rank does: every moment of a run belongs to one of these. */
export const PHASES = [
  'local',
  'compression',
  'decompression',
  'waiting',
  'optimizer',
  'data',
  'other',
] as const;
/** What the time of a rank goes to. */
export type PhaseName = (typeof PHASES)[number];

/**
 * The phases as the clock takes them. `local`: products that need no remote data, and all those of
 * tensor-parallel layers. `waiting`: blocked in collectives. `other`: activations, the loss,
 * checkpoints, the log, and whatever nobody has marked.
 */
export const PHASE: Readonly<Record<PhaseName, number>> = {
  local: 0,
  compression: 1,
  decompression: 2,
  waiting: 3,
  optimizer: 4,
  data: 5,
  other: 6,
};

/** A stopwatch that is always in one phase. A step can change it some dozens of times. */
export interface PhaseClock {
  /** Ends the phase that is on and begins another. @returns the one that was on */
  enter(phase: number): number;
  /** Forgets all times; the phase that is on goes on. */
  reset(): void;
  /** Seconds in each phase since the last reset, in the order of `PHASES`. */
  timesS(): number[];
  /** Notes what follows in `trace`, from zero on; null: no more. */
  traceTo(trace: StepTrace | null): void;
  /** What is computed next is part of: `ACTIVITY.forward`, `backward`, or `other`. */
  beginPass(pass: number): void;
  /** A collective is under way from now on (1), or is no more (−1). */
  countUnderWay(change: 1 | -1): void;
}

/** What a timeline shows of a phase. @param pass that phases which compute are part of */
export function activityOf(phase: number, pass: number): number {
  if (phase === PHASE.waiting) return ACTIVITY.waiting;
  if (phase === PHASE.optimizer) return ACTIVITY.optimizer;
  return phase === PHASE.data ? ACTIVITY.data : pass;
}

/** By the host's time. A change costs one look at the clock and allocates nothing. */
export class HostPhaseClock implements PhaseClock {
  readonly #timesMs = new Float64Array(PHASES.length);
  #phase = PHASE.other;
  #sinceMs = performance.now();
  #trace: StepTrace | null = null;
  /** `forward`, `backward` or `other`: what phases that compute belong to. */
  #pass: number = ACTIVITY.other;
  #underWay = 0;

  enter(phase: number): number {
    const nowMs = performance.now();
    const before = this.#phase;
    this.#timesMs[before] = (this.#timesMs[before] ?? 0) + nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    this.#phase = phase;
    this.#trace?.add(activityOf(before, this.#pass), this.#underWay > 0, nowMs);
    return before;
  }

  traceTo(trace: StepTrace | null): void {
    this.enter(this.#phase);
    this.#trace = trace;
    trace?.begin(this.#sinceMs);
  }

  beginPass(pass: number): void {
    this.enter(this.#phase);
    this.#pass = pass;
  }

  countUnderWay(change: 1 | -1): void {
    if (this.#trace !== null) this.enter(this.#phase);
    this.#underWay += change;
  }

  reset(): void {
    this.#timesMs.fill(0);
    this.#sinceMs = performance.now();
  }

  timesS(): number[] {
    this.enter(this.#phase);
    return Array.from(this.#timesMs, (timeMs) => timeMs / 1000);
  }
}
