import { closeSync, fstatSync, ftruncateSync, openSync } from 'node:fs';
import { CheckpointError } from '../base/errors.js';
import { isSystemError, remedyFor, writeWhole } from '../base/files.js';
import type { TrainingEvent } from './events.js';

/** `metrics.jsonl` of a run: one event a line, whole lines only. */
export class MetricsFile {
  readonly #path: string;
  readonly #descriptor: number;

  /** Opens the file to add to it. @throws CheckpointError when that cannot be done */
  constructor(path: string) {
    this.#path = path;
    this.#descriptor = this.#guard(() => openSync(path, 'a'));
  }

  /** @throws CheckpointError when the line cannot be written; nothing of it is left then */
  append(event: TrainingEvent): void {
    const { size } = fstatSync(this.#descriptor);
    this.#guard(() => {
      try {
        writeWhole(this.#descriptor, `${JSON.stringify(event)}\n`);
      } catch (error) {
        ftruncateSync(this.#descriptor, size);
        throw error;
      }
    });
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new CheckpointError(
        'run',
        `cannot write ${this.#path}: ${error.message}; ${remedyFor(error)} and resume`,
      );
    }
  }
}
