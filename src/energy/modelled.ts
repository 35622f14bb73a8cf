import type { PowerModel, Sourced } from '../machine/machine.js';
import { MeterError } from '../base/errors.js';
import { formatSi } from '../base/format.js';
import type { EnergySource } from './meter.js';

/** What a program has used since some time; both only grow. */
export interface Usage {
  /** Seconds of CPU time of all its threads. */
  cpuS(): number;
  /** Bytes that its ranks have sent one another. */
  sentBytes(): number;
}

/** The constants of a power model, none missing. */
export type PowerConstants = { readonly [K in keyof PowerModel]: Sourced };

/** The constants when all are known, else null. */
export function completePower(power: PowerModel): PowerConstants | null {
  return unknownConstants(power).length === 0 ? (power as PowerConstants) : null;
}

/** @param where the machine they are of
 * @throws MeterError when one of them is unknown */
export function requirePower(where: string, power: PowerModel): PowerConstants {
  const complete = completePower(power);
  if (complete !== null) return complete;
  throw new MeterError(
    'modelled',
    `${where} has no ${unknownConstants(power).join(', ')}, which modelled energy needs; ` +
      'fill it in, or use --machine default',
  );
}

function unknownConstants(power: PowerModel): string[] {
  return Object.entries(power).flatMap(([name, constant]) => (constant === null ? [name] : []));
}

/**
 * Watts while a core is busy for some share of the time: it waits for the rest, and the rest of
 * the machine takes its own.
 *
 * @param busy from 0 to 1
 */
export function modelledW({ busyW, waitingW, sharedW }: PowerConstants, busy: number): number {
  return sharedW.value + busyW.value * busy + waitingW.value * (1 - busy);
}

/**
 * busyW × CPU time + waitingW × the cores' other time + sharedW × cores × time + joules per byte ×
 * bytes: the planner's formula, on what a program has in fact used.
 *
 * @param cores that the program has to itself: one a rank
 */
export function modelledSource(power: PowerConstants, cores: number, usage: Usage): EnergySource {
  const before = { cpuS: usage.cpuS(), sentBytes: usage.sentBytes() };
  let beganS: number | null = null;
  let reachedJ = 0;
  return {
    name: 'modelled',
    obtained: 'modelled',
    energyJ(nowS) {
      beganS ??= nowS;
      const coresS = cores * (nowS - beganS);
      const cpuS = usage.cpuS() - before.cpuS;
      const energyJ =
        power.busyW.value * cpuS +
        power.waitingW.value * Math.max(0, coresS - cpuS) +
        power.sharedW.value * coresS +
        power.energyPerByteJ.value * (usage.sentBytes() - before.sentBytes);
      // CPU time comes in ticks and can be ahead of the clock for a moment.
      reachedJ = Math.max(reachedJ, energyJ);
      return reachedJ;
    },
  };
}

/** The constants, for people. */
export function describePower(power: PowerConstants): string {
  const { busyW, waitingW, sharedW, energyPerByteJ } = power;
  return [
    `${busyW.value} W per busy core`,
    `${waitingW.value} W per idle core`,
    ...(sharedW.value === 0 ? [] : [`${sharedW.value} W shared per core`]),
    ...(energyPerByteJ.value === 0 ? [] : [`${formatSi(energyPerByteJ.value, 'J')} per byte sent`]),
  ].join(', ');
}
