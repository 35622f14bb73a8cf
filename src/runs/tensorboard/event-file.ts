import { closeSync, openSync, readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Obtained } from '../../energy/meter.js';
import { ConfigError } from '../../base/errors.js';
import {
  isSystemError,
  makeFolders,
  remedyFor,
  replaceFile,
  writeWhole,
} from '../../base/files.js';
import type { TrainingEvent } from '../../training/events.js';
import type { RunRecord } from '../run-record.js';
import { loggedScalars, type Scalar, stepScalars, validationScalars } from '../scalars.js';
import { encodeEvent, type TensorboardEvent } from './event.js';
import { tfRecord } from './tf-record.js';

const FOLDER = 'tensorboard';
const PREFIX = 'events.out.tfevents';
/** Ends the name of a file that was made from a run folder afterwards. */
const AFTERWARDS = 'report';

/** Writes a run's events for TensorBoard as they come. */
export interface EventFile {
  onEvent(event: TrainingEvent): void;
  close(): void;
}

/** The file lies in `tensorboard/` of the run folder, from the start event on. */
export function createEventFile(): EventFile {
  let descriptor: number | null = null;
  let obtained: Obtained = 'unavailable';
  const append = (step: number, what: TensorboardEvent['what']) => {
    if (descriptor === null) return;
    const bytes = tfRecord(encodeEvent({ wallTimeS: Date.now() / 1000, step, what }));
    writeWhole(descriptor, bytes);
  };
  const scalars = (step: number, list: readonly Scalar[]) =>
    append(step, { kind: 'scalars', scalars: list });
  return {
    onEvent(event) {
      if (event.type === 'start') {
        descriptor = guarded(event.runFolder, (folder) => {
          const time = Math.floor(Date.now() / 1000);
          const name = `${PREFIX}.${time}.${os.hostname()}.${process.pid}.0`;
          return openSync(path.join(folder, name), 'w');
        });
        obtained = event.energyObtained;
        append(event.firstStep, { kind: 'version' });
        // TensorBoard drops what it has of this step and later ones: the last step done stays.
        if (event.firstStep > 0) append(event.firstStep + 1, { kind: 'restart' });
      } else if (event.type === 'step') scalars(event.step, stepScalars(event, obtained));
      else if (event.type === 'validation') scalars(event.step, validationScalars(event));
    },
    close() {
      if (descriptor !== null) closeSync(descriptor);
      descriptor = null;
    },
  };
}

/**
 * Writes a run's metrics for TensorBoard after the fact, whole.
 *
 * @returns the file
 * @throws ConfigError when the run wrote event files itself: both would be shown
 */
export function writeEventFile(run: RunRecord): string {
  return guarded(run.folder, (folder) => {
    const other = readdirSync(folder).find(
      (name) => name.startsWith(PREFIX) && !name.endsWith(`.${AFTERWARDS}`),
    );
    if (other !== undefined) {
      throw new ConfigError(
        'tensorboard',
        `${path.join(folder, other)} was written as the run went; a second file would double it`,
      );
    }
    const file = path.join(folder, `${PREFIX}.${Math.floor(run.startTimeS ?? 0)}.${AFTERWARDS}`);
    replaceFile(file, Buffer.concat(recordsOf(run).map((event) => tfRecord(encodeEvent(event)))));
    return file;
  });
}

/** A run's values in the order of their steps. */
function recordsOf(run: RunRecord): TensorboardEvent[] {
  const startS = run.startTimeS ?? 0;
  const events = loggedScalars(run).map(({ step, elapsedS, scalars }): TensorboardEvent => {
    return { wallTimeS: startS + elapsedS, step, what: { kind: 'scalars', scalars } };
  });
  return [{ wallTimeS: startS, step: 0, what: { kind: 'version' } }, ...events];
}

function guarded<T>(runFolder: string, work: (folder: string) => T): T {
  const folder = path.join(runFolder, FOLDER);
  try {
    makeFolders(folder);
    return work(folder);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new ConfigError(
      'tensorboard',
      `cannot write in ${folder}: ${error.message}; ${remedyFor(error)}`,
    );
  }
}
