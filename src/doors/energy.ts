/**
 * Energy meters: measure work of your own, or write a counter.
 *
 * @module phantom-parallel/energy
 */
export { createMeter, type MeterRequest } from '../app/ranks/meters.js';
export type { EnergyCounter } from '../energy/counter.js';
export { type MeterChoice, METERS } from '../energy/counter-list.js';
export { compareMeters, metered, type MeterComparison } from '../energy/metered.js';
export {
  type EnergyMeter,
  type EnergyReading,
  type EnergySource,
  type Obtained,
} from '../energy/meter.js';
export { type CounterRecording, recordCounter, replayCounter } from '../energy/recording.js';
export { emissionsG, type EmissionFactors, type RunEnergy } from '../energy/run-energy.js';
export type { Clock } from '../energy/meter.js';
export type { Usage } from '../energy/modelled.js';
