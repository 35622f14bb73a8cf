import type { EnergySource } from './meter.js';

/** What one kind of hardware counter has found. */
export interface FoundSources {
  readonly sources: readonly EnergySource[];
  readonly close: () => void;
}

interface CounterKind {
  /** Of the processor or the whole machine, of which `auto` takes the first that can be read, or of
   * the GPUs, which it adds for programs that compute on them. */
  readonly of: 'machine' | 'gpus';
  /** @throws MeterError when there is none, or it may not be read */
  readonly find: () => Promise<FoundSources>;
}

const nothing = () => {};

/** Every kind of hardware counter. Each is loaded when it is looked for. */
export const COUNTERS = {
  rapl: {
    of: 'machine',
    find: async () => {
      const [{ raplCounters }, { counterSource }, { sysfsRoot }] = await Promise.all([
        import('./rapl.js'),
        import('./counter.js'),
        import('./sysfs.js'),
      ]);
      return { sources: raplCounters(sysfsRoot()).map(counterSource), close: nothing };
    },
  },
  hwmon: {
    of: 'machine',
    find: async () => {
      const [{ hwmonSources }, { sysfsRoot }] = await Promise.all([
        import('./hwmon.js'),
        import('./sysfs.js'),
      ]);
      return { sources: hwmonSources(sysfsRoot()), close: nothing };
    },
  },
  nvml: {
    of: 'gpus',
    find: async () => (await import('./gpu/nvml-sources.js')).nvmlSources(),
  },
  rocm: {
    of: 'gpus',
    find: async () => (await import('./gpu/rocm-sources.js')).rocmSources(),
  },
} as const satisfies Readonly<Record<string, CounterKind>>;

export type CounterName = keyof typeof COUNTERS;
export const COUNTER_NAMES = Object.keys(COUNTERS) as CounterName[];

/** What a user can ask for; `auto`: a counter that may be read, else the model. */
export type MeterChoice = 'auto' | CounterName | 'modelled' | 'none';
/** What can measure energy, by name. */
export const METERS: readonly MeterChoice[] = ['auto', ...COUNTER_NAMES, 'modelled', 'none'];
