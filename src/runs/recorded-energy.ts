import type { Obtained } from '../energy/meter.js';

/** What a run's record says of its energy; unknown is null. */
export interface RecordedEnergy {
  readonly obtained: Obtained;
  readonly description: string;
  readonly energyJ: number | null;
  /** Of it, what GPUs took; null: none was metered. */
  readonly gpuJ: number | null;
  readonly meanPowerW: number | null;
  /** Of steady steps, and of the rest: start-up, validation, checkpoints. */
  readonly steadyJ: number | null;
  readonly restJ: number | null;
  readonly perStepJ: number | null;
  readonly perSampleJ: number | null;
  readonly emissionsG: number | null;
  /** How `emissionsG` follows from the joules. */
  readonly factors: string | null;
  readonly perRankJ: readonly (number | null)[];
  /** Of all steady steps. */
  readonly phases: readonly {
    readonly name: string;
    readonly timeS: number;
    readonly energyJ: number | null;
  }[];
  /** Seconds of all steady steps by rank, in the order of `PHASES`. */
  readonly rankTimesS: readonly (readonly number[])[];
}

const OBTAINED: ReadonlySet<unknown> = new Set([
  'counter',
  'integrated',
  'modelled',
  'unavailable',
] satisfies Obtained[]);

/** How an energy was obtained; null where a record does not say. */
export function readObtained(value: unknown): Obtained | null {
  return OBTAINED.has(value) ? (value as Obtained) : null;
}

/** Reads the `energy` of an end event; null where there is none, or one of another form. */
export function readEnergy(value: unknown): RecordedEnergy | null {
  if (typeof value !== 'object' || value === null) return null;
  const energy = value as Readonly<Record<string, unknown>>;
  const obtained = readObtained(energy['obtained']);
  if (obtained === null) return null;
  const of = (name: string) => quantity(energy[name]);
  const [intensity, pue] = [of('carbonIntensityGPerKWh'), of('pue')];
  const perRank = energy['perRankJ'];
  return {
    obtained,
    description: typeof energy['description'] === 'string' ? energy['description'] : '',
    energyJ: of('energyJ'),
    gpuJ: of('gpuJ'),
    meanPowerW: of('meanPowerW'),
    steadyJ: of('steadyJ'),
    restJ: of('restJ'),
    perStepJ: of('perStepJ'),
    perSampleJ: of('perSampleJ'),
    emissionsG: of('emissionsG'),
    factors: intensity === null || pue === null ? null : `${intensity} g/kWh, PUE ${pue}`,
    perRankJ: Array.isArray(perRank) ? perRank.map(quantity) : [],
    phases: readPhases(energy['phases']),
    rankTimesS: readRankTimes(energy['rankTimesS']),
  };
}

function readPhases(value: unknown): RecordedEnergy['phases'] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, phase]) => {
    if (typeof phase !== 'object' || phase === null) return [];
    const { timeS, energyJ } = phase as { timeS?: unknown; energyJ?: unknown };
    const time = quantity(timeS);
    return time === null ? [] : [{ name, timeS: time, energyJ: quantity(energyJ) }];
  });
}

function readRankTimes(value: unknown): RecordedEnergy['rankTimesS'] {
  if (!Array.isArray(value)) return [];
  return value.map((times: unknown) =>
    Array.isArray(times) ? times.map((timeS) => quantity(timeS) ?? 0) : [],
  );
}

/** A number that a time or an energy can be; null for anything else. */
export function quantity(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}
