import type { Obtained } from './meter.js';
import { PHASES, type PhaseName } from '../base/phases.js';

/** What a run's energy came to. Joules are of all machines; unknown is null. */
export interface RunEnergy {
  readonly meter: string;
  /** What was read and counted, or the model's constants. */
  readonly description: string;
  readonly obtained: Obtained;
  readonly energyJ: number | null;
  /** Of it, what GPUs took; null: the meter reads none. */
  readonly gpuJ: number | null;
  readonly energyKWh: number | null;
  readonly meanPowerW: number | null;
  /** Of steady steps, all of them, and of the rest of the run. */
  readonly steadyJ: number | null;
  readonly restJ: number | null;
  /** Of a steady step and a sample in it. */
  readonly perStepJ: number | null;
  readonly perSampleJ: number | null;
  /** The total, shared out among ranks by their times: see `shareOut`. */
  readonly perRankJ: readonly (number | null)[];
  /** Of all steady steps. Seconds are means over ranks; the joules are shared out by them. */
  readonly phases: Readonly<
    Record<PhaseName, { readonly timeS: number; readonly energyJ: number | null }>
  >;
  /** Seconds of all steady steps by rank, each in the order of `PHASES`. */
  readonly rankTimesS: readonly (readonly number[])[];
  /** Grams of CO₂ equivalent: energy × PUE × carbon intensity. */
  readonly emissionsG: number | null;
  readonly carbonIntensityGPerKWh: number;
  readonly pue: number;
}

export const JOULES_PER_KWH = 3.6e6;

/** What turns joules into grams of CO₂ equivalent. */
export interface EmissionFactors {
  readonly carbonIntensityGPerKWh: number;
  /** Power usage effectiveness: energy of the data center over that of its computers. */
  readonly pue: number;
}

/** Grams of CO₂ equivalent. */
export function emissionsG(energyJ: number, factors: EmissionFactors): number {
  return (energyJ / JOULES_PER_KWH) * factors.pue * factors.carbonIntensityGPerKWh;
}

/** What a run's energy is put together from. */
export interface RunEnergyParts extends EmissionFactors {
  readonly meter: string;
  readonly description: string;
  readonly obtained: Obtained;
  readonly energyJ: number | null;
  readonly gpuJ: number | null;
  readonly steadyJ: number | null;
  readonly elapsedS: number;
  /** Steady ones, and their samples. */
  readonly steps: number;
  readonly samples: number;
  /** By rank, each in the order of `PHASES`, of steady steps. */
  readonly rankTimesS: readonly (readonly number[])[];
  /** In the order of `PHASES`: how much of the energy of steady steps. */
  readonly phaseWeights: readonly number[];
  /** By rank. */
  readonly rankWeights: readonly number[];
}

export function runEnergy(parts: RunEnergyParts): RunEnergy {
  const { meter, description, obtained, energyJ, elapsedS, carbonIntensityGPerKWh, pue } = parts;
  const over = (joules: number | null, count: number) =>
    joules === null || count <= 0 ? null : joules / count;
  const steadyJ = energyJ === null ? null : parts.steadyJ;
  const phasesJ = shareOut(steadyJ, parts.phaseWeights);
  const { rankTimesS } = parts;
  const meanS = (phase: number) =>
    rankTimesS.reduce((sum, timesS) => sum + (timesS[phase] ?? 0), 0) / rankTimesS.length;
  const phases = Object.fromEntries(
    PHASES.map((name, i) => [name, { timeS: meanS(i), energyJ: phasesJ[i] ?? null }]),
  ) as RunEnergy['phases'];
  return {
    meter,
    description,
    obtained: energyJ === null ? 'unavailable' : obtained,
    energyJ,
    gpuJ: energyJ === null ? null : parts.gpuJ,
    energyKWh: over(energyJ, JOULES_PER_KWH),
    meanPowerW: over(energyJ, elapsedS),
    steadyJ,
    restJ: energyJ === null || steadyJ === null ? null : Math.max(0, energyJ - steadyJ),
    perStepJ: over(steadyJ, parts.steps),
    perSampleJ: over(steadyJ, parts.samples),
    perRankJ: shareOut(energyJ, parts.rankWeights),
    phases,
    rankTimesS,
    emissionsG: energyJ === null ? null : emissionsG(energyJ, { carbonIntensityGPerKWh, pue }),
    carbonIntensityGPerKWh,
    pue,
  };
}

/** Divides a total in proportion to weights; the parts sum to it. */
export function shareOut(
  total: number | null,
  weights: readonly number[],
): readonly (number | null)[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  if (total === null || !(sum > 0)) return weights.map(() => null);
  return weights.map((weight) => (total * weight) / sum);
}
