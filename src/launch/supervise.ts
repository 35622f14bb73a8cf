import { setTimeout as sleep } from 'node:timers/promises';
import { fromTransfer } from '../communicators/error-transfer.js';
import { PhantomError } from '../base/errors.js';
import type { EndEvent, TrainingEvent } from '../training/events.js';
import { type Cause, causeOf } from './cause.js';
import { type JobCommand, startJob } from './job.js';

/** Between the end of a job and the next start: its last processes are gone then. */
const PAUSE_MS = 500;

/** A job that was started as often as it may be, or that another start would not help. */
export class LaunchError extends PhantomError {}

/** Emitted before a job is started again. */
export interface RestartEvent {
  readonly type: 'restart';
  readonly restart: number;
  readonly maxRestarts: number;
  readonly cause: string;
  /** The rank that is said to have failed; null: unknown. */
  readonly rank: number | null;
  /** Of the newest checkpoint that there is; null: the run starts from the beginning. */
  readonly step: number | null;
}

export interface SuperviseOptions {
  readonly command: JobCommand;
  readonly maxRestarts: number;
  readonly onEvent: (event: TrainingEvent | RestartEvent) => void;
  /** What a job said on stderr, where its cause is not reported in full. */
  readonly onWords: (lines: readonly string[]) => void;
  /** Step of the run's newest checkpoint. */
  readonly newestStep: () => number | null;
  /** Ends the run with a checkpoint. */
  readonly stop: AbortSignal;
  /** Ends the job at once. */
  readonly kill: AbortSignal;
}

/**
 * Starts a training job, and again after a rank has died, until it has come to its end.
 *
 * @returns the run's end; null when it was stopped and died before its checkpoint
 * @throws LaunchError with the first cause after `maxRestarts` further starts, or at once when
 *   another start would fail in the same way
 */
export async function supervise(options: SuperviseOptions): Promise<EndEvent | null> {
  const { command, maxRestarts, onEvent, onWords, newestStep, stop, kill } = options;
  let first: Cause | null = null;
  let everStarted = false;
  for (let restart = 0; ; restart++) {
    const job = startJob(command, onEvent);
    const requestStop = () => job.requestStop();
    const killJob = () => job.kill();
    stop.addEventListener('abort', requestStop);
    kill.addEventListener('abort', killJob);
    const { end, how } = await job.done;
    stop.removeEventListener('abort', requestStop);
    kill.removeEventListener('abort', killJob);
    if (end !== null) return end;
    everStarted ||= how.started;
    const cause = causeOf({ ...how, started: everStarted });
    if (cause.words.length > 0) onWords(cause.words);
    if (stop.aborted) return null;
    first ??= cause;
    // What would fail again in the same way is reported as the training command reports it.
    if (!cause.passing && restart === 0 && how.error !== null) {
      throw fromTransfer({ ...how.error, stack: '' });
    }
    if (!cause.passing) throw new LaunchError('launch', failureText(cause, first, restart));
    if (restart >= maxRestarts) throw new LaunchError('launch', gaveUpText(first, restart));
    const { message, rank } = cause;
    const step = newestStep();
    onEvent({ type: 'restart', restart: restart + 1, maxRestarts, cause: message, rank, step });
    await sleep(PAUSE_MS);
    if (stop.aborted) return null;
  }
}

const restarts = (count: number) => `${count} ${count === 1 ? 'restart' : 'restarts'}`;

function failureText(cause: Cause, first: Cause, restart: number): string {
  if (restart === 0) return `${cause.message}; not started again, which would not help`;
  return `after ${restarts(restart)}: ${cause.message}; the first cause was: ${first.message}`;
}

function gaveUpText(first: Cause, restart: number): string {
  if (restart === 0) return `${first.message}; not started again (--max-restarts 0)`;
  return `gave up after ${restarts(restart)}; the first cause was: ${first.message}`;
}
