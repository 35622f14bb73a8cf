import type { Obtained } from '../energy/meter.js';
import { PHASES, type PhaseName } from '../base/phases.js';
import type { EmissionFactors, RunEnergy } from '../energy/run-energy.js';
import { formatDuration, formatPercent, formatSi } from '../base/format.js';

/** `12.3 J`, `12.3 J modelled`: a modelled energy is never without that word. */
export function energyText(energyJ: number, obtained: Obtained): string {
  return `${formatSi(energyJ, 'J')}${obtained === 'counter' ? '' : ` ${obtained}`}`;
}

/** `modelled`, `from rapl`, `not measured`. */
export function obtainedWord(obtained: Obtained, meter: string): string {
  if (obtained === 'modelled') return obtained;
  return obtained === 'unavailable' ? 'not measured' : `from ${meter}`;
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

/** A run's energy, in one line. @param per what `perSampleJ` or `perStepJ` are said for */
export function energyPair(
  energy: RunEnergy,
  per: readonly ('step' | 'sample')[],
): [string, string] {
  const { energyJ, obtained, perStepJ, perSampleJ } = energy;
  if (energyJ === null) return ['energy', energy.meter === 'none' ? 'not measured' : 'unavailable'];
  const each = per.flatMap((name) => {
    const value = name === 'step' ? perStepJ : perSampleJ;
    return value === null ? [] : [`${formatSi(value, 'J')} per ${name}`];
  });
  return ['energy', [energyText(energyJ, obtained), ...each].join(', ')];
}

/** What else is known of it: in watt-hours, by phase, and its emissions. */
export function energyDetails(energy: RunEnergy): [string, string][] {
  const { energyJ, gpuJ, energyKWh, meanPowerW, emissionsG, phases, steadyJ, restJ } = energy;
  if (energyJ === null || energyKWh === null || meanPowerW === null || emissionsG === null)
    return [];
  const shares = PHASES.filter((name) => phases[name].timeS > 0).map((name) => {
    const { energyJ: partJ, timeS } = phases[name];
    const share =
      partJ === null ? formatDuration(timeS) : formatPercent(partJ / (steadyJ ?? energyJ), 0);
    return `${PHASE_TEXT[name]} ${share}`;
  });
  return [
    [
      'power',
      `${formatSi(meanPowerW, 'W')} on average, ${formatSi(energyKWh * 1000, 'Wh')} in all`,
    ],
    ...(gpuJ === null
      ? []
      : [
          [
            'by GPUs',
            `${formatSi(gpuJ, 'J')}, and ${formatSi(energyJ - gpuJ, 'J')} by the rest`,
          ] satisfies [string, string],
        ]),
    ...(restJ === null
      ? []
      : [
          [
            'of it',
            `${formatSi(energyJ - restJ, 'J')} in steady steps, ${formatSi(restJ, 'J')} in start-up, validation and checkpoints`,
          ] satisfies [string, string],
        ]),
    ['by phase', `of steady steps: ${shares.join(', ')}`],
    emissionsPair(emissionsG, energy),
  ];
}

/** Grams of CO₂ equivalent, with the factors they come from. */
export function emissionsPair(
  emissionsG: number,
  { carbonIntensityGPerKWh, pue }: EmissionFactors,
): [string, string] {
  const grams = formatSi(emissionsG, 'g');
  return ['emissions', `${grams} CO₂e at ${carbonIntensityGPerKWh} g/kWh, PUE ${pue}`];
}
