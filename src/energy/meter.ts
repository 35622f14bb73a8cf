/**
 * How an energy was obtained: read off a counter of the hardware, integrated from power samples,
 * computed from a model, or not at all.
 */
export type Obtained = 'counter' | 'integrated' | 'modelled' | 'unavailable';

/** What a meter has seen of a window. Unknown is null, never zero. */
export interface EnergyReading {
  readonly energyJ: number | null;
  readonly elapsedS: number;
  readonly obtained: Obtained;
  /** The same by what was read: a package, a GPU. Empty where the energy is unknown. */
  readonly parts: readonly { readonly name: string; readonly energyJ: number }[];
  /** Of it, what GPUs took; null: the meter reads none, or the energy is unknown. */
  readonly gpuJ: number | null;
  /** Why a counter cannot be trusted any more; null: nothing went wrong. */
  readonly problem: string | null;
}

/**
 * Measures energy in named, nested windows. `begin` opens a window inside the one that is open,
 * `end` closes the innermost and has to name it. What goes wrong with a counter makes the windows
 * that are open, and later ones, unavailable; it does not end a program.
 */
export interface EnergyMeter {
  /** `rapl`, `hwmon`, `nvml`, `rocm`, `modelled`, `none`; several joined by `+`. */
  readonly name: string;
  /** One line for people: what is read, and where constants come from. */
  readonly description: string;
  readonly obtained: Obtained;

  /** Opens a window inside the one that is open. */
  begin(window: string): void;
  /** @throws MeterError when `window` is not the innermost open one */
  end(window: string): EnergyReading;
  /** What the innermost open window has seen so far. @throws MeterError when none is open */
  read(): EnergyReading;
  /** Looks at the counters, if it is time to: counters wrap around, and power has to be sampled.
   * Call it often, at least every few seconds. */
  sample(): void;
  /** Closes counters and sensors; no window may be open or follow. */
  close(): void;
}

/** An energy that grows from zero; what a meter is made of. */
export interface EnergySource {
  readonly name: string;
  readonly obtained: Exclude<Obtained, 'unavailable'>;
  /** Whether it is a GPU's. Default: it is not. */
  readonly isGpu?: boolean;
  /**
   * Joules since the source was made.
   *
   * @param nowS seconds of the meter's clock, not less than in the call before
   * @throws MeterError when what is read cannot be right; from then on nothing is known
   */
  energyJ(nowS: number): number;
}

/** Seconds of a clock that only goes forward. */
export type Clock = () => number;

export const systemClock: Clock = () => performance.now() / 1000;
