import { MeterError } from '../base/errors.js';
import type { EnergyMeter, EnergyReading } from './meter.js';

/** How often a meter looks while a piece of work lets others run. */
const LOOK_MS = 100;

/** Does a piece of work and tells the energy that it took. Its failure ends the window too. */
export async function metered<T>(
  meter: EnergyMeter,
  window: string,
  work: () => T | Promise<T>,
): Promise<{ readonly result: T; readonly reading: EnergyReading }> {
  const timer = setInterval(() => meter.sample(), LOOK_MS);
  meter.begin(window);
  let result: T;
  try {
    result = await work();
  } catch (error) {
    meter.end(window);
    throw error;
  } finally {
    clearInterval(timer);
  }
  return { result, reading: meter.end(window) };
}

/** What a counter and the model say of the same piece of work. */
export interface MeterComparison {
  readonly counter: EnergyReading;
  readonly modelled: EnergyReading;
  /** modelled / counted − 1; null where one of them is unknown. */
  readonly error: number | null;
}

/**
 * How far the model is from a counter over a piece of work, which should take some seconds and
 * have the machine to itself: a counter counts what others do, too.
 *
 * @throws MeterError unless one meter counts and the other models
 */
export async function compareMeters(
  counter: EnergyMeter,
  modelled: EnergyMeter,
  work: () => unknown,
): Promise<MeterComparison> {
  if (counter.obtained === 'modelled' || modelled.obtained !== 'modelled') {
    throw new MeterError(
      'meter',
      `${counter.name} (${counter.obtained}) is to be compared with ${modelled.name} ` +
        `(${modelled.obtained}); needs a counter and the model`,
    );
  }
  const { result, reading } = await metered(counter, 'comparison', async () =>
    metered(modelled, 'comparison', work),
  );
  const [counted, model] = [reading.energyJ, result.reading.energyJ];
  const error = counted === null || model === null ? null : model / counted - 1;
  return { counter: reading, modelled: result.reading, error };
}
