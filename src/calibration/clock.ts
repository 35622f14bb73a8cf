import type { Engine } from '../engines/engine.js';

const LEAST_SAMPLES = 5;
const MOST_SAMPLES = 400;
/** How calls are timed. */
export interface CallClock {
  /** Waits until calls that have returned are done. */
  readonly wait: () => void;
  /** Shorter calls are timed in groups, which are waited for together. */
  readonly sampleMs: number;
  /** How often a group comes before it is timed. Above one: groups are of the same calls, as an engine may do those that
   * come again in another way. */
  readonly warm: number;
}

const HOST: CallClock = { wait() {}, sampleMs: 0.02, warm: 1 };

/** Calls of an asynchronous engine are timed as queues: a step has many between two waits. What comes for the second time
 * may be made a graph. */
export function clockOf(engine: Pick<Engine, 'asynchronous' | 'synchronize'>): CallClock {
  return engine.asynchronous ? { wait: () => engine.synchronize(), sampleMs: 1, warm: 2 } : HOST;
}

/**
 * @param call is given the number of the call, to take other operands each time
 * @param budgetMs how long to go on, five samples at least
 * @returns the lower quartile of the seconds of a call: other programs may use the machine too
 */
export function callSeconds(
  call: (i: number) => void,
  budgetMs: number,
  { wait, sampleMs, warm }: CallClock = HOST,
): number {
  let i = 0;
  const groupMs = (count: number): number => {
    if (warm > 1) i = 0;
    const before = performance.now();
    for (let n = 0; n < count; n++) call(i++);
    wait();
    return performance.now() - before;
  };
  for (let n = 0; n < warm; n++) groupMs(1);
  const count = Math.max(1, Math.ceil(sampleMs / Math.max(groupMs(1), 1e-4)));
  if (warm > 1 && count > 1) {
    for (let n = 0; n < warm; n++) groupMs(count);
  }
  const samples: number[] = [];
  const begun = performance.now();
  while (
    samples.length < LEAST_SAMPLES ||
    (samples.length < MOST_SAMPLES && performance.now() - begun < budgetMs)
  ) {
    samples.push(groupMs(count) / count);
  }
  return lowerQuartile(samples) / 1e3;
}

/** What calls take when nobody else wants the core. */
export function lowerQuartile(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 2] ?? Number.NaN;
}

/** Four digits are more than a measurement has. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
