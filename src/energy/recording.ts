import type { EnergyCounter } from './counter.js';
import type { Clock } from './meter.js';

/** What a counter said, and when; it can be kept as JSON. */
export interface CounterRecording {
  readonly counter: Omit<EnergyCounter, 'read'>;
  /** Seconds of the clock, and counts. */
  readonly samples: [atS: number, count: number][];
}

/** A counter whose every reading is kept. */
export function recordCounter(
  counter: EnergyCounter,
  clock: Clock,
): { readonly counter: EnergyCounter; readonly recording: CounterRecording } {
  const { name, jouleACount, range, maximumW } = counter;
  const recording: CounterRecording = {
    counter: { name, jouleACount, range, maximumW },
    samples: [],
  };
  const read = () => {
    const count = counter.read();
    recording.samples.push([clock(), count]);
    return count;
  };
  return { counter: { ...recording.counter, read }, recording };
}

/**
 * The counter of a recording, and the clock beside it: `next` goes on to the following sample.
 *
 * @returns `next` is false after the last one
 */
export function replayCounter({ counter, samples }: CounterRecording): {
  readonly counter: EnergyCounter;
  readonly clock: Clock;
  readonly next: () => boolean;
} {
  let i = 0;
  const now = () => samples[Math.min(i, samples.length - 1)] ?? [0, Number.NaN];
  return {
    counter: { ...counter, read: () => now()[1] },
    clock: () => now()[0],
    next: () => ++i < samples.length,
  };
}
