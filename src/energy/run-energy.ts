import type { Obtained } from './meter.js';
import { PHASES, type PhaseName } from '../base/phases.js';

/** What a run's energy came to. Joules are of all machines; unknown is null. */
export interface RunEnergy {
  readonly meter: string;
  /** What was read and counted, or the model's constants. */
  readonly description: string;
  readonly obtained: Obtained;
  readonly energyJ: number | null;
  readonly energyKWh: number | null;
  readonly meanPowerW: number | null;
  /** The whole run's, validation and checkpoints included, over its steps and samples. */
  readonly perStepJ: number | null;
  readonly perSampleJ: number | null;
  /** The total, shared out among ranks by their times: see `shareOut`. */
  readonly perRankJ: readonly (number | null)[];
  /** Seconds are means over ranks and sum to the run's time; joules are shared out by them. */
  readonly phases: Readonly<
    Record<PhaseName, { readonly timeS: number; readonly energyJ: number | null }>
  >;
  /** Grams of CO₂ equivalent: energy × PUE × carbon intensity. */
  readonly emissionsG: number | null;
  readonly carbonIntensityGPerKWh: number;
  readonly pue: number;
}

export const JOULES_PER_KWH = 3.6e6;

/** What turns joules into grams of CO₂ equivalent. */
export interface EmissionFactors {
  readonly carbonIntensityGPerKWh: number;
  /** Power usage effectiveness: energy of the data centre over that of its computers. */
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
  readonly elapsedS: number;
  readonly steps: number;
  readonly samples: number;
  /** In the order of `PHASES`: seconds, summed over ranks, and how much of the energy. */
  readonly phaseTimesS: readonly number[];
  readonly phaseWeights: readonly number[];
  /** By rank. */
  readonly rankWeights: readonly number[];
}

export function runEnergy(parts: RunEnergyParts): RunEnergy {
  const { meter, description, obtained, energyJ, elapsedS, carbonIntensityGPerKWh, pue } = parts;
  const per = (count: number) => (energyJ === null || count <= 0 ? null : energyJ / count);
  const phasesJ = shareOut(energyJ, parts.phaseWeights);
  const ranks = parts.rankWeights.length;
  const phases = Object.fromEntries(
    PHASES.map((name, i) => [
      name,
      { timeS: (parts.phaseTimesS[i] ?? 0) / ranks, energyJ: phasesJ[i] ?? null },
    ]),
  ) as RunEnergy['phases'];
  return {
    meter,
    description,
    obtained: energyJ === null ? 'unavailable' : obtained,
    energyJ,
    energyKWh: per(JOULES_PER_KWH),
    meanPowerW: per(elapsedS),
    perStepJ: per(parts.steps),
    perSampleJ: per(parts.samples),
    perRankJ: shareOut(energyJ, parts.rankWeights),
    phases,
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
