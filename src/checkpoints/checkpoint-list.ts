import { randomBytes } from 'node:crypto';
import { type Dirent, existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { CheckpointError } from '../base/errors.js';
import { isDamage, readCheckpointState, verifyFiles } from './checkpoint-folder.js';

/** A checkpoint of a run. */
export interface FoundCheckpoint {
  readonly folder: string;
  readonly step: number;
}

/** `step-00000100` */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}`;
}

/**
 * The complete checkpoints below `checkpoints/`, by step. One that was set aside for another of its
 * step counts until that one has its name. Other names are passed over.
 */
export function listCheckpoints(checkpointsFolder: string): FoundCheckpoint[] {
  const found = new Map<number, string>();
  for (const { name, kind, step } of entriesOf(checkpointsFolder)) {
    if (kind === 'whole' || (kind === 'replaced' && !found.has(step))) found.set(step, name);
  }
  return [...found]
    .map(([step, name]) => ({ folder: path.join(checkpointsFolder, name), step }))
    .toSorted((a, b) => a.step - b.step);
}

/** Where a checkpoint is while it is written. */
export function partialOf(folder: string): string {
  return path.join(path.dirname(folder), `.${path.basename(folder)}.partial`);
}

/**
 * Gives a folder that is whole the name of its checkpoint. What has that name is set aside, and goes
 * when the new one has been read back and has its name.
 *
 * @throws CheckpointError when the new one is not as it was written; the other is as it was then
 */
export function publish(partial: string, final: string): void {
  if (!existsSync(final)) {
    renameSync(partial, final);
    return;
  }
  verifyFiles(partial, readCheckpointState(partial), undefined, 'the one before it is kept');
  const aside = asideOf(final, 'replaced');
  renameSync(final, aside);
  try {
    renameSync(partial, final);
  } catch (error) {
    renameSync(aside, final);
    throw error;
  }
  discard(aside);
}

/**
 * Clears away what a writer that died has left in `checkpoints/`, for who alone writes there. What
 * was set aside gets its name back where no other has it, and goes only where that other is whole.
 */
export function tidyCheckpoints(checkpoints: string): void {
  for (const { name, kind, step } of entriesOf(checkpoints)) {
    const folder = path.join(checkpoints, name);
    const final = path.join(checkpoints, checkpointName(step));
    if (kind === 'remains') removeFolder(folder);
    else if (kind === 'replaced' && !existsSync(final)) renameSync(folder, final);
    else if (kind === 'replaced' && isWhole(final)) discard(folder);
  }
}

/** Removes a checkpoint: its name at once, so that none is left that lacks some of its files. */
export function discard(folder: string): void {
  const aside = asideOf(folder, 'removed');
  renameSync(folder, aside);
  removeFolder(aside);
}

/** Removes what is left of a checkpoint. */
export function removeFolder(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  } catch {
    // What failed first is what people have to hear of; the next checkpoint removes the rest.
  }
}

/** A name that nothing has had: `.step-00000100.1a2b3c4d.replaced` */
function asideOf(folder: string, why: 'replaced' | 'removed'): string {
  const [step] = /step-\d+/.exec(path.basename(folder)) ?? [''];
  return path.join(path.dirname(folder), `.${step}.${randomBytes(4).toString('hex')}.${why}`);
}

function isWhole(folder: string): boolean {
  try {
    verifyFiles(folder, readCheckpointState(folder));
    return true;
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}

interface Entry {
  readonly name: string;
  readonly step: number;
  readonly kind: 'whole' | 'replaced' | 'remains';
}

/** What is this package's in `checkpoints/`, names in order. */
function entriesOf(checkpoints: string): Entry[] {
  return folderEntries(checkpoints).flatMap((entry): Entry[] => {
    const { name } = entry;
    const digits = /^\.?step-(\d{8,})/.exec(name)?.[1];
    const step = Number(digits);
    const isFolder = entry.isDirectory() || entry.isSymbolicLink();
    if (!isFolder || !Number.isSafeInteger(step)) return [];
    const own = checkpointName(step);
    if (name === own) return [{ name, step, kind: 'whole' }];
    if (!name.startsWith(`.${own}.`)) return [];
    if (/\.[\da-f]{8}\.replaced$/.test(name)) return [{ name, step, kind: 'replaced' }];
    const isRemains = /^\.step-\d+\.(partial|[\da-f]{8}\.removed)$/.test(name);
    return isRemains ? [{ name, step, kind: 'remains' }] : [];
  });
}

function folderEntries(folder: string): Dirent[] {
  if (!existsSync(folder)) return [];
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    // Whole ones are after those that were set aside: '.' is before 's'.
    return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw new CheckpointError('checkpoint', `${folder}: ${(error as Error).message}`);
  }
}
