import { createHash } from 'node:crypto';
import { hasHorizon } from '../optimizers/schedule.js';
import { sameSetting } from '../settings/given.js';
import type { TrainingSettings } from '../settings/settings.js';

/** Settings that do not change any number of a run: where it runs and what it tells. */
const NEUTRAL = new Set<keyof TrainingSettings>([
  'ranks',
  'devices',
  'bind',
  'recompute',
  'timeout',
  'logEvery',
  'checkpointEvery',
  'keepCheckpoints',
  'bestBy',
  'earlyStopping',
  'out',
  'targetLoss',
  'validateEvery',
  'meter',
  'machine',
  'carbonIntensity',
  'pue',
]);

/** Settings that say how long a run is, and so how its rate falls. */
const LENGTHS = ['scheduleSteps', 'steps', 'epochs'] as const;

/** SHA-256 over the settings that determine a run's numbers; with a rate that falls towards the
 * end, where that is counts, and with one that falls by validations, those do. */
export function configHash(settings: TrainingSettings): string {
  const { schedule } = settings;
  const entries = Object.entries(settings).filter(([key]) =>
    determines(key as keyof TrainingSettings, settings),
  );
  if (hasHorizon(schedule)) entries.push(...LENGTHS.map((key) => lengthEntry(key, settings)));
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
}

/** Where the schedule has a length of its own, that of the run does not matter. */
function lengthEntry(key: (typeof LENGTHS)[number], settings: TrainingSettings): [string, unknown] {
  const { scheduleSteps } = settings;
  if (scheduleSteps === null) return [key, settings[key]];
  return [key, key === 'steps' ? scheduleSteps : null];
}

function determines(key: keyof TrainingSettings, { schedule }: TrainingSettings): boolean {
  if ((LENGTHS as readonly string[]).includes(key)) return false;
  if (schedule === 'plateau' && (key === 'bestBy' || key === 'validateEvery')) return true;
  return !NEUTRAL.has(key);
}

/** Settings that determine a run's numbers and differ: `lr 0.01 → 0.001`; lengths are left out. */
export function changedSettings(before: TrainingSettings, now: TrainingSettings): string[] {
  const keys = Object.keys(now) as (keyof TrainingSettings)[];
  return keys
    .filter((key) => determines(key, now) && !sameSetting(before[key], now[key]))
    .map((key) => `${key} ${before[key]} → ${now[key]}`);
}
