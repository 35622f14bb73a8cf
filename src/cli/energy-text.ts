import type { Obtained } from '../energy/meter.js';
import { PHASES, type PhaseName } from '../base/phases.js';
import type { EmissionFactors, RunEnergy } from '../energy/run-energy.js';
import { formatDuration, formatPercent, formatSi } from '../base/format.js';

/** `12.3 J`, `12.3 J modelled`: a modelled energy is never without that word. */
export function energyText(energyJ: number, obtained: Obtained): string {
  return `${formatSi(energyJ, 'J')}${obtained === 'counter' ? '' : ` ${obtained}`}`;
}

const PHASE_TEXT: Readonly<Record<PhaseName, string>> = {
  local: 'local products',
  compression: 'compression',
  decompression: 'decompression',
  waiting: 'waiting',
  optimizer: 'optimizer',
  data: 'data',
  other: 'other',
};

/** A run's energy, in lines of names and values. */
export function energyPairs(energy: RunEnergy): [string, string][] {
  const { energyJ, energyKWh, meanPowerW, perStepJ, perSampleJ, emissionsG, phases } = energy;
  if (energyJ === null || energyKWh === null || meanPowerW === null || emissionsG === null) {
    return [['energy', energy.meter === 'none' ? 'not measured' : 'unavailable']];
  }
  const each = [
    ...(perStepJ === null ? [] : [`${formatSi(perStepJ, 'J')}/step`]),
    ...(perSampleJ === null ? [] : [`${formatSi(perSampleJ, 'J')}/sample`]),
  ];
  const shares = PHASES.filter((name) => phases[name].timeS > 0).map((name) => {
    const { energyJ: partJ, timeS } = phases[name];
    const share = partJ === null ? formatDuration(timeS) : formatPercent(partJ / energyJ, 0);
    return `${PHASE_TEXT[name]} ${share}`;
  });
  const total = `${energyText(energyJ, energy.obtained)} = ${formatSi(energyKWh * 1000, 'Wh')}`;
  return [
    ['energy', [total, formatSi(meanPowerW, 'W'), ...each].join(', ')],
    ['', shares.join(', ')],
    emissionsPair(emissionsG, energy),
  ];
}

/** Grams of CO₂ equivalent, with the factors they come of. */
export function emissionsPair(
  emissionsG: number,
  { carbonIntensityGPerKWh, pue }: EmissionFactors,
): [string, string] {
  const grams = formatSi(emissionsG, 'g');
  return ['emissions', `${grams} CO₂e at ${carbonIntensityGPerKWh} g/kWh, PUE ${pue}`];
}
