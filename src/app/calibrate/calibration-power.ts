import type { PowerModel } from '../../machine/machine.js';
import { processCpuS } from '../../energy/cpu-time.js';
import type { EnergyMeter } from '../../energy/meter.js';
import { compareMeters, metered, type MeterComparison } from '../../energy/metered.js';
import { rounded } from '../../calibration/clock.js';
import { createMeter, modelledMeter } from '../ranks/meters.js';

/** What a counter saw of a piece of work, and the CPU time of it. */
export interface CountedWork {
  readonly energyJ: number;
  readonly elapsedS: number;
  readonly cpuS: number;
}

/** The processor's or machine's counter; null: there is none that may be read. */
export async function openCounter(): Promise<EnergyMeter | null> {
  const meter = await createMeter({ choice: 'auto', machine: 'default' });
  if (meter.obtained !== 'modelled') return meter;
  meter.close();
  return null;
}

/** Does a piece of work. @returns null: there is no counter, or it failed meanwhile */
export async function countWork(
  counter: EnergyMeter | null,
  window: string,
  run: () => Promise<void>,
): Promise<CountedWork | null> {
  if (counter === null) {
    await run();
    return null;
  }
  const before = processCpuS();
  const { energyJ, elapsedS } = (await metered(counter, window, run)).reading;
  const cpuS = processCpuS() - before;
  return energyJ === null ? null : { energyJ, elapsedS, cpuS };
}

/**
 * Watts of a core that waits, from a machine that does nothing, and of one that computes, from work
 * that kept the cores busy for most of the time. Both are shares of all that the counter counts.
 */
export function fitPower(
  idle: CountedWork,
  busy: CountedWork,
  cores: number,
  source: string,
): PowerModel {
  const waitingW = idle.energyJ / idle.elapsedS / cores;
  const waitingS = Math.max(0, cores * busy.elapsedS - busy.cpuS);
  const busyW = Math.max(0, busy.energyJ - waitingW * waitingS) / busy.cpuS;
  return {
    busyW: { value: rounded(busyW), source },
    waitingW: { value: rounded(waitingW), source },
    sharedW: { value: 0, source: 'in the two above, which are shares of all that is counted' },
    energyPerByteJ: {
      value: 0,
      source: 'in the watts of a busy core, which moves the bytes between ranks of one machine',
    },
  };
}

/** How far the model with these watts is from the counter, over other work than they come from. */
export async function checkPower(
  counter: EnergyMeter,
  power: PowerModel,
  cores: number,
  run: () => Promise<unknown>,
): Promise<MeterComparison> {
  const model = modelledMeter({ machine: 'this machine', cores }, power);
  return compareMeters(counter, model, run);
}
