import { createHash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import path from 'node:path';
import { readSchema, SCHEMA_FILE } from '../data/tables/schema-file.js';
import type { TableSchema } from '../data/tables/schema.js';
import { CheckpointError } from '../base/errors.js';
import { isSystemError } from '../base/files.js';
import { openRegular, readSmall } from '../base/regular-file.js';
import type { Kind } from './checkpoint-entries.js';
import { isProgress, NO_PROGRESS, type TrainingProgress } from './training-progress.js';
import { checkDescription, formatHashed, isAsHashed } from './own-hash.js';

/** Hashes and sizes of files, by name. */
export type FileHashes = Readonly<
  Record<string, { readonly sha256: string; readonly bytes: number }>
>;

/** `state.json` of a checkpoint. */
export interface CheckpointState {
  readonly format: 'phantom-parallel checkpoint';
  readonly version: 1;
  /** Optimizer steps done. */
  readonly step: number;
  /** Random draws depend on the seed and the position alone, so this is the generator's state. */
  readonly random: { readonly seed: number; readonly nextBatch: number };
  /** SHA-256 of the settings that determine the run's numbers. */
  readonly configHash: string;
  /** Ranks that wrote the shards. */
  readonly ranks: number;
  readonly files: FileHashes;
  readonly progress: TrainingProgress;
  /** Written because it was the best by then, not at a step for checkpoints: it goes with the next
   * better one. */
  readonly onlyBest: boolean;
  /** Of all the others, as `formatCheckpointState` writes them. */
  readonly stateSha256: string;
}

const MAX_STATE_BYTES = 16 << 20;

/** `model-00001-of-00004.safetensors`: the file of one rank. */
export function shardName(kind: Kind, rank: number, ranks: number): string {
  const number = (n: number) => String(n).padStart(5, '0');
  return `${kind}-${number(rank + 1)}-of-${number(ranks)}.safetensors`;
}

/** The text of `state.json`, with a hash of its own: one changed byte in it is found too. */
export function formatCheckpointState(state: Omit<CheckpointState, 'stateSha256'>): string {
  return formatHashed(state, 'stateSha256');
}

/** Reads `state.json`.
 * @throws CheckpointError when it is missing, not of this format or not as it was written */
export function readCheckpointState(folder: string): CheckpointState {
  const file = path.join(folder, 'state.json');
  const text = readBounded(file);
  const state = parseJson(file, text) as Partial<CheckpointState> | null;
  if (state?.format !== 'phantom-parallel checkpoint' || state.version !== 1) {
    throw new CheckpointError('checkpoint', `${file}: not the state of a checkpoint (version 1)`);
  }
  const { step, ranks, files, random, configHash } = state;
  const complete =
    isCount(step) &&
    isCount(ranks) &&
    typeof configHash === 'string' &&
    typeof random?.seed === 'number' &&
    isFileHashes(files) &&
    // Each rank has a file: the number bounds what is made of it.
    ranks <= Object.keys(files).length;
  if (!complete) throw new CheckpointError('checkpoint', `${file}: entries are missing or damaged`);
  const expected = [
    'model.safetensors.index.json',
    ...Array.from({ length: ranks }, (_, rank) => shardName('model', rank, ranks)),
  ];
  const unlisted = expected.find((name) => !Object.hasOwn(files, name));
  if (unlisted !== undefined) {
    throw new CheckpointError(
      'checkpoint',
      `${file}: it has no hash for ${unlisted}; it is damaged`,
    );
  }
  if (!isAsHashed(text, state, 'stateSha256')) {
    throw new CheckpointError('checkpoint', `${file}: its own hash does not match; it is damaged`);
  }
  const named = /^step-(\d{8,})$/.exec(path.basename(path.resolve(folder)))?.[1];
  if (named !== undefined && Number(named) !== step) {
    throw new CheckpointError(
      'checkpoint',
      `${file}: of step ${step}, but in the folder of step ${Number(named)}`,
    );
  }
  // Those of earlier versions have neither.
  const { onlyBest = false } = state;
  return { ...(state as CheckpointState), progress: progressOf(state, file), onlyBest };
}

function progressOf({ progress }: Partial<CheckpointState>, file: string): TrainingProgress {
  if (progress === undefined) return NO_PROGRESS;
  if (isProgress(progress)) return progress;
  throw new CheckpointError('checkpoint', `${file}: progress is damaged`);
}

/** Whether a value from a file lists files of its own folder. */
export function isFileHashes(files: unknown): files is FileHashes {
  if (typeof files !== 'object' || files === null) return false;
  return Object.entries(files as Record<string, Partial<FileHashes[string]> | null>).every(
    ([name, entry]) =>
      /^[a-z][a-z0-9.-]*$/.test(name) && typeof entry?.sha256 === 'string' && isCount(entry.bytes),
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Reads a JSON file of a run or checkpoint. @throws CheckpointError when that cannot be done */
export function readJson(file: string): unknown {
  return parseJson(file, readBounded(file));
}

/**
 * Reads a description of version 1, which has a hash of itself.
 *
 * @param damageOf what it cannot be read with; null: nothing is wrong
 * @throws CheckpointError when it is of another format, damaged or not as it was written
 */
export function readDescription<T extends object>(
  file: string,
  format: 'phantom-parallel run' | 'phantom-parallel model',
  damageOf: (value: Partial<T>) => string | null,
): T {
  const text = readBounded(file);
  const value = parseJson(file, text) as
    | (Partial<T> & { format?: string; version?: number })
    | null;
  const where = format.replace('phantom-parallel ', '');
  if (value?.format !== format || value.version !== 1) {
    throw new CheckpointError(where, `${file}: not the description of a ${where} (version 1)`);
  }
  const damage = damageOf(value);
  if (damage !== null) throw new CheckpointError(where, `${file}: ${damage}; the file is damaged`);
  checkDescription(file, text, value);
  return value as T;
}

function readBounded(file: string): string {
  try {
    return readSmall(file, MAX_STATE_BYTES).toString('utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** @param error the system's, which stays the cause: see `isDamage` */
function unreadable(file: string, error: unknown): CheckpointError {
  if (!isSystemError(error)) throw error;
  const remedy = isPermission(error) ? `; this user may not read it: ask for the right to` : '';
  return new CheckpointError('checkpoint', `${file}: ${error.message}${remedy}`, { cause: error });
}

const isPermission = ({ code }: NodeJS.ErrnoException) => code === 'EACCES' || code === 'EPERM';

/** Whether an error says that a checkpoint is not whole, and not that it could not be looked at. */
export function isDamage(error: unknown): error is CheckpointError {
  if (!(error instanceof CheckpointError)) return false;
  const { cause } = error;
  if (!isSystemError(cause)) return true;
  return ['ENOENT', 'ENOTDIR', 'EISDIR', 'ENOTFILE', 'EFBIG', 'EIO'].includes(cause.code ?? '');
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What the parser says may have lines of the file.
    throw new CheckpointError('checkpoint', `${file}: not JSON; the file is damaged`);
  }
}

/**
 * Compares files of a checkpoint or model with the sizes and hashes recorded of them.
 *
 * @param share ranks divide the files among themselves: file i is this rank's if i % size = rank
 * @throws CheckpointError naming the first file that differs
 */
export function verifyFiles(
  folder: string,
  state: Pick<CheckpointState, 'files'>,
  share: { readonly rank: number; readonly size: number } = { rank: 0, size: 1 },
  remedy = '--resume auto --out <run folder> goes on from an earlier one',
): void {
  for (const [i, [name, { sha256, bytes }]] of Object.entries(state.files).entries()) {
    if (i % share.size !== share.rank) continue;
    const file = path.join(folder, name);
    const found = hashFile(file, bytes);
    if (found.bytes !== bytes) {
      throw new CheckpointError(
        'checkpoint',
        `${file}: ${found.bytes} bytes, ${bytes} were written; ${remedy}`,
      );
    }
    if (found.sha256 !== sha256) {
      throw new CheckpointError(
        'checkpoint',
        `${file}: its SHA-256 does not match the recorded one, so it is damaged; ${remedy}`,
      );
    }
  }
}

/** Hash and size of a text file that is written so. */
export function hashText(text: string): FileHashes[string] {
  const bytes = Buffer.from(text);
  return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
}

/**
 * Streams a file through SHA-256.
 *
 * @param expectedBytes one of another size is not read
 * @throws CheckpointError when it cannot be read
 */
export function hashFile(
  file: string,
  expectedBytes: number | null = null,
): { sha256: string; bytes: number } {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(1 << 20);
  try {
    const { descriptor, sizeBytes } = openRegular(file);
    try {
      if (expectedBytes !== null && sizeBytes !== expectedBytes) {
        return { sha256: '', bytes: sizeBytes };
      }
      for (let bytes = 0; ;) {
        const count = readSync(descriptor, chunk, 0, chunk.length, null);
        if (count === 0) return { sha256: hash.digest('hex'), bytes };
        hash.update(chunk.subarray(0, count));
        bytes += count;
      }
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw unreadable(file, error);
  }
}

/**
 * The schema in a folder, whose hash is checked before it is read.
 *
 * @param files recorded of the folder
 * @returns null when there is none among them
 * @throws CheckpointError when it is not as it was written
 */
export function verifiedSchema(folder: string, files: FileHashes): TableSchema | null {
  const recorded = files[SCHEMA_FILE];
  if (recorded === undefined) return null;
  verifyFiles(folder, { files: { [SCHEMA_FILE]: recorded } }, undefined, 'take the change back');
  return readSchema(folder);
}
