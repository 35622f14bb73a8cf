import { MeterError } from '../base/errors.js';
import { STOPPED_S } from './counter.js';
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
  /** Lets time pass. Default: the thread sleeps. */
  readonly pause?: (seconds: number) => void;
}

/** Between two looks at whether a counter goes on; many are updated every millisecond. */
const LOOK_AGAIN_S = 0.005;

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
  readonly #pause: (seconds: number) => void;
  readonly #windows: Window[] = [];
  #sampledS = Number.NEGATIVE_INFINITY;
  #problem: string | null = null;
  /** Joules of each source when it was last looked at. */
  #seenJ: readonly number[] = [];

  constructor(options: WindowMeterOptions) {
    const { sources, clock = systemClock, sampleEveryS = 1, close = () => {} } = options;
    this.name = options.name;
    this.description = options.description;
    this.obtained = obtainedOf(sources);
    this.#sources = sources;
    this.#clock = clock;
    this.#sampleEveryS = sampleEveryS;
    this.#close = close;
    this.#pause = options.pause ?? sleep;
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
    if (this.#windows.length > 0 || reading.energyJ === null) return reading;
    this.#seeCountersGoOn();
    return this.#problem === null ? reading : unknown(reading.elapsedS, this.#problem);
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
      return unknown(elapsedS, this.#problem);
    }
    const gpus = parts.filter((_, i) => this.#sources[i]?.isGpu === true);
    const gpuJ = gpus.length === 0 ? null : gpus.reduce((sum, part) => sum + part.energyJ, 0);
    return { energyJ, elapsedS, obtained: this.obtained, parts, gpuJ, problem: null };
  }

  sample(): void {
    const nowS = this.#clock();
    if (nowS - this.#sampledS >= this.#sampleEveryS) this.#look(nowS);
  }

  close(): void {
    this.#close();
  }

  /** Waits until each counter has moved after the last window's end. One that stopped shortly before
   * has counted less than was used, and is a problem. */
  #seeCountersGoOn(): void {
    const ended = this.#seenJ;
    const counters = [...this.#sources.entries()].filter(
      ([, { obtained }]) => obtained === 'counter',
    );
    let still = counters;
    for (let waitedS = 0; still.length > 0; waitedS += LOOK_AGAIN_S) {
      this.#pause(LOOK_AGAIN_S);
      const nowJ = this.#look(this.#clock());
      if (nowJ === null) return;
      still = still.filter(([i]) => nowJ[i] === ended[i]);
      if (waitedS < STOPPED_S) continue;
      for (const [, { name }] of still) {
        this.#problem = `[${name}] the counter has not moved for ${STOPPED_S} s; energy is unknown`;
      }
      return;
    }
  }

  /** Joules of each source; null once one of them went wrong. */
  #look(nowS: number): number[] | null {
    this.#sampledS = nowS;
    if (this.#problem !== null) return null;
    try {
      this.#seenJ = this.#sources.map((source) => source.energyJ(nowS));
      return [...this.#seenJ];
    } catch (error) {
      if (!(error instanceof MeterError)) throw error;
      this.#problem = error.message;
      return null;
    }
  }
}

function unknown(elapsedS: number, problem: string | null): EnergyReading {
  return { energyJ: null, elapsedS, obtained: 'unavailable', parts: [], gpuJ: null, problem };
}

function sleep(seconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000 * seconds);
}

/** The least direct way among the sources'. */
function obtainedOf(sources: readonly EnergySource[]): Obtained {
  const ways: readonly Obtained[] = ['modelled', 'integrated', 'counter'];
  return ways.find((way) => sources.some(({ obtained }) => obtained === way)) ?? 'unavailable';
}
