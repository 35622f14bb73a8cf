import { changedSettings } from '../../checkpoints/determining-settings.js';
import type { RunConfig } from '../../checkpoints/run-folder.js';
import { FINGERPRINT_OF } from '../../data/fingerprint.js';
import { hasHorizon, learningRateAt } from '../../optimizers/schedule.js';
import { sameSetting } from '../../settings/given.js';
import { flagOf } from '../../settings/keys.js';
import type { TrainingSettings } from '../../settings/settings.js';

/** A run as it goes on. */
export interface ResumedRun {
  readonly data: RunConfig['data'];
  readonly settings: TrainingSettings;
  readonly steps: number;
  /** Steps done. */
  readonly step: number;
}

/** A line for each way in which a run goes on otherwise than it would have. */
export function resumedOtherwise(
  before: Pick<RunConfig, 'settings' | 'steps' | 'data'>,
  now: ResumedRun,
): string[] {
  const changed = changedSettings(before.settings, now.settings);
  const differs = changed.length === 0 ? [] : [differsText(changed)];
  return [...differs, ...otherData(before.data, now.data), ...otherHorizon(before, now)];
}

function differsText(changed: readonly string[]): string {
  return (
    `settings differ from those of the checkpoint (${changed.join(', ')}): this is not the run ` +
    'that was interrupted'
  );
}

function otherData(before: RunConfig['data'], now: RunConfig['data']): string[] {
  if (before.fingerprint === undefined || before.fingerprint === now.fingerprint) return [];
  return [
    `the data are not those that the run began with (${before.name}; compared are ` +
      `${FINGERPRINT_OF}): it goes on with what is there now`,
  ];
}

/** What changes the rates of a schedule that falls towards the end. */
function otherHorizon(
  before: Pick<RunConfig, 'settings' | 'steps'>,
  { settings, steps, step }: ResumedRun,
): string[] {
  const old = before.settings.scheduleSteps ?? before.steps;
  const horizon = settings.scheduleSteps ?? steps;
  const { schedule, lr: peak, warmup: warmupSteps } = settings;
  if (old === horizon || !hasHorizon(schedule) || before.settings.schedule !== schedule) return [];
  const lengths = ['scheduleSteps', 'steps', 'epochs'] as const;
  const key = lengths.find((one) => !sameSetting(before.settings[one], settings[one])) ?? 'epochs';
  const rate = (end: number) =>
    Number(learningRateAt(step, { schedule, peak, steps: end, warmupSteps }).toPrecision(3));
  return [
    `${flagOf(key)} ${settings[key]} moves the end of schedule ${schedule} from step ${old} to ` +
      `${horizon}: the learning rate goes on at ${rate(horizon)}, not ${rate(old)}; ` +
      `--schedule-steps ${old} keeps the old rates`,
  ];
}
