import { MeterError } from '../base/errors.js';
import type { EnergySource } from './meter.js';

/** A counter of energy, as the hardware has it. */
export interface EnergyCounter {
  /** What it counts: `package-0`. */
  readonly name: string;
  readonly jouleACount: number;
  /** Counts after which it begins at zero again; null: it does not in a machine's life. */
  readonly range: number | null;
  /** More power than what it counts can ever take: tells a wrap from a counter that was set back,
   * and how long it may go unread. */
  readonly maximumW: number;
  /** The count now. @throws MeterError when it cannot be read */
  read(): number;
}

/** Counters are updated in steps, of 0.1 s on some GPUs: so much energy may come at once. */
const STEP_S = 0.5;
/** Hardware that is on takes power: a counter that stands still for longer than its steps has
 * stopped. What it has counted before is less than what was used, so it is left out. */
export const STOPPED_S = STEP_S;

/**
 * Adds up what a counter counts, over its wraps.
 *
 * Its `energyJ` throws MeterError when the counter goes backwards, jumps, stops, cannot be read,
 * or was not read for so long that it may have wrapped around more than once.
 */
export function counterSource(counter: EnergyCounter): EnergySource {
  const { name, jouleACount, range, maximumW } = counter;
  let last: { count: number; atS: number; movedS: number } | null = null;
  let energyJ = 0;
  const wrong = (what: string) => new MeterError(name, `${what}; energy is unknown from here on`);
  return {
    name,
    obtained: 'counter',
    energyJ(nowS) {
      const count = counter.read();
      if (!Number.isFinite(count) || count < 0) throw wrong(`the counter reads ${count}`);
      if (last === null) {
        last = { count, atS: nowS, movedS: nowS };
        return energyJ;
      }
      const elapsedS = nowS - last.atS;
      if (range !== null && elapsedS * maximumW > range * jouleACount) {
        throw wrong(
          `the counter was not read for ${elapsedS.toFixed(0)} s, and may have wrapped around ` +
            'more than once',
        );
      }
      const grown = count - last.count;
      const counts = grown < 0 && range !== null ? grown + range : grown;
      const addedJ = counts * jouleACount;
      const tooMuch = addedJ > maximumW * (elapsedS + STEP_S);
      if (grown < 0 && (range === null || addedJ < 0 || tooMuch)) {
        throw wrong(`the counter went backwards, from ${last.count} to ${count}`);
      }
      if (tooMuch) {
        throw wrong(
          `the counter jumped by ${addedJ.toFixed(0)} J in ${elapsedS.toFixed(3)} s; at most ` +
            `${maximumW} W are possible`,
        );
      }
      if (counts === 0 && nowS - last.movedS >= STOPPED_S) {
        throw wrong(`the counter has stayed at ${count} for ${(nowS - last.movedS).toFixed(1)} s`);
      }
      last = { count, atS: nowS, movedS: counts === 0 ? last.movedS : nowS };
      energyJ += addedJ;
      return energyJ;
    },
  };
}

/** A sensor of power, for hardware that counts no energy. */
export interface PowerSensor {
  readonly name: string;
  /** Watts. @throws MeterError when it cannot be read */
  read(): number;
}

/** Between two samples further apart power is anybody's guess. */
const LONGEST_GAP_S = 60;

/** Integrates the samples of a sensor by the trapezoidal rule; what comes between is not seen. */
export function integratedSource(sensor: PowerSensor): EnergySource {
  const { name } = sensor;
  let last: { powerW: number; atS: number } | null = null;
  let energyJ = 0;
  return {
    name,
    obtained: 'integrated',
    energyJ(nowS) {
      const powerW = sensor.read();
      if (!Number.isFinite(powerW) || powerW < 0) {
        throw new MeterError(name, `the sensor reads ${powerW} W; energy is unknown from here on`);
      }
      if (last !== null) {
        const elapsedS = nowS - last.atS;
        if (elapsedS > LONGEST_GAP_S) {
          throw new MeterError(
            name,
            `power was not sampled for ${elapsedS.toFixed(0)} s; energy is unknown from here on`,
          );
        }
        energyJ += (elapsedS * (powerW + last.powerW)) / 2;
      }
      last = { powerW, atS: nowS };
      return energyJ;
    },
  };
}
