import { MeterError } from '../base/errors.js';
import {
  type Clock,
  type EnergyMeter,
  type EnergyReading,
  type EnergySource,
  type Obtained,
  systemClock,
} from './meter.js';

export interface WindowMeterOptions {
  readonly name: string;
  readonly description: string;
  /** None: every energy is unknown. */
  readonly sources: readonly EnergySource[];
  readonly clock?: Clock;
  /** Seconds that `sample` lets pass between two looks. */
  readonly sampleEveryS?: number;
  readonly close?: () => void;
}

interface Window {
  readonly name: string;
  readonly beganS: number;
  /** Joules of each source when it began; null: unknown already. */
  readonly beganJ: readonly number[] | null;
}

/** The windows of the contract, over the sum of some sources. */
export class WindowMeter implements EnergyMeter {
  readonly name: string;
  readonly description: string;
  readonly obtained: Obtained;
  readonly #sources: readonly EnergySource[];
  readonly #clock: Clock;
  readonly #sampleEveryS: number;
  readonly #close: () => void;
  readonly #windows: Window[] = [];
  #sampledS = Number.NEGATIVE_INFINITY;
  #problem: string | null = null;

  constructor(options: WindowMeterOptions) {
    const { sources, clock = systemClock, sampleEveryS = 1, close = () => {} } = options;
    this.name = options.name;
    this.description = options.description;
    this.obtained = obtainedOf(sources);
    this.#sources = sources;
    this.#clock = clock;
    this.#sampleEveryS = sampleEveryS;
    this.#close = close;
  }

  begin(window: string): void {
    const beganS = this.#clock();
    this.#windows.push({ name: window, beganS, beganJ: this.#look(beganS) });
  }

  end(window: string): EnergyReading {
    const open = this.#windows.at(-1);
    if (open?.name !== window) {
      throw new MeterError(
        'meter',
        `window ${window} was to end, ${open === undefined ? 'none' : open.name} is the innermost ` +
          'open one; windows end in the reverse order of their begins',
      );
    }
    const reading = this.read();
    this.#windows.pop();
    return reading;
  }

  read(): EnergyReading {
    const open = this.#windows.at(-1);
    if (open === undefined) throw new MeterError('meter', 'no window is open; begin one');
    const nowS = this.#clock();
    const nowJ = this.#look(nowS);
    const elapsedS = nowS - open.beganS;
    const parts =
      nowJ === null || open.beganJ === null
        ? []
        : this.#sources.map(({ name }, i) => ({
            name,
            energyJ: (nowJ[i] ?? 0) - (open.beganJ?.[i] ?? 0),
          }));
    const energyJ = parts.reduce((sum, part) => sum + part.energyJ, 0);
    // Shorter than a counter's steps: not zero, but not known.
    if (energyJ <= 0) {
      return {
        energyJ: null,
        elapsedS,
        obtained: 'unavailable',
        parts: [],
        problem: this.#problem,
      };
    }
    return { energyJ, elapsedS, obtained: this.obtained, parts, problem: null };
  }

  sample(): void {
    const nowS = this.#clock();
    if (nowS - this.#sampledS >= this.#sampleEveryS) this.#look(nowS);
  }

  close(): void {
    this.#close();
  }

  /** Joules of each source; null once one of them went wrong. */
  #look(nowS: number): number[] | null {
    this.#sampledS = nowS;
    if (this.#problem !== null) return null;
    try {
      return this.#sources.map((source) => source.energyJ(nowS));
    } catch (error) {
      if (!(error instanceof MeterError)) throw error;
      this.#problem = error.message;
      return null;
    }
  }
}

/** The least direct way among the sources'. */
function obtainedOf(sources: readonly EnergySource[]): Obtained {
  const ways: readonly Obtained[] = ['modelled', 'integrated', 'counter'];
  return ways.find((way) => sources.some(({ obtained }) => obtained === way)) ?? 'unavailable';
}
