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
}

/**
 * Measures energy in named, nested windows. `begin` opens a window inside the one that is open,
 * `end` closes the innermost and has to name it.
 */
export interface EnergyMeter {
  /** `rapl`, `hwmon`, `nvml`, `rocm`, `modelled`, `none`. */
  readonly name: string;
  /** One line for people: what is read, and where constants come from. */
  readonly description: string;
  readonly obtained: Obtained;

  begin(window: string): void;
  /** @throws MeterError when `window` is not the innermost open one */
  end(window: string): EnergyReading;
  close(): void;
}
