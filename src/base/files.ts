import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';

/** Writes all of a text or of bytes: on a disk that is nearly full the system writes a part, and says so only
 * by the count. @throws the system's error when no more can be written */
export function writeWhole(descriptor: number, text: string | Uint8Array): void {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done);
}

/** Whether the system refused a file operation, and not the program. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

/** What to do about a system error, where that is known. */
export function remedyFor(error: NodeJS.ErrnoException): string {
  const remedies: Record<string, string> = {
    ENOSPC: 'free some space',
    EACCES: 'make it writable',
    EROFS: 'choose a folder that can be written',
  };
  return remedies[error.code ?? ''] ?? 'choose another folder';
}

/**
 * Makes a folder and those above it. Level by level: some file systems make Node's own recursive
 * form hang, or hide the reason.
 *
 * @param mode of those that are made. Default: as the user's mask has it
 * @throws the system's error for the first level that cannot be made
 */
export function makeFolders(folder: string, mode?: number): void {
  const missing: string[] = [];
  let level = path.resolve(folder);
  while (!existsSync(level)) {
    missing.unshift(level);
    level = path.dirname(level);
  }
  for (const each of missing) makeFolder(each, mode);
  if (!statSync(folder).isDirectory()) {
    throw Object.assign(new Error(`${folder} is a file`), { code: 'ENOTDIR', syscall: 'mkdir' });
  }
}

/** Makes a folder unless it is there. @throws the system's error, also where one above is missing */
export function makeFolder(folder: string, mode?: number): void {
  try {
    mkdirSync(folder, mode);
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'EEXIST') throw error;
  }
}

/** Writes a file and syncs it to disk. */
export function writeSynced(file: string, text: string | Uint8Array): void {
  writeThenSync(file, (descriptor) => writeWhole(descriptor, text));
}

function writeThenSync<T>(file: string, write: (descriptor: number) => T): T {
  const descriptor = openSync(file, 'w');
  try {
    const result = write(descriptor);
    fsyncSync(descriptor);
    return result;
  } finally {
    closeSync(descriptor);
  }
}

/** Syncs a folder's entries: a rename inside it survives a power failure afterwards. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** A writer that lives has written within this time. */
const ABANDONED_MS = 24 * 3600 * 1000;

function removeAbandoned(dir: string, base: string): void {
  const oldest = Date.now() - ABANDONED_MS;
  for (const name of readdirSync(dir)) {
    if (!name.startsWith(`.${base}.`)) continue;
    if (!/^\d+-[\da-f]{8}\.partial$/.test(name.slice(base.length + 2))) continue;
    const partial = path.join(dir, name);
    const { mtimeMs = Infinity } = statSync(partial, { throwIfNoEntry: false }) ?? {};
    if (mtimeMs < oldest) rmSync(partial, { recursive: true, force: true });
  }
}

/**
 * A hidden name beside a file or folder for what is not whole yet; no other writer has it. What
 * writers of the same target left that were killed, and nobody has written to for a day, is removed.
 */
export function newPartial(target: string): string {
  const { dir, base } = path.parse(path.resolve(target));
  try {
    removeAbandoned(dir, base);
  } catch (error) {
    // What is left of others, in a folder that cannot be listed, say, is in nobody's way.
    if (!isSystemError(error)) throw error;
  }
  return path.join(dir, `.${base}.${process.pid}-${randomUUID().slice(0, 8)}.partial`);
}

/** Gives what was written whole its name, in place of a file that has it. */
export function giveName(partial: string, target: string): void {
  renameSync(partial, target);
  syncFolder(path.dirname(path.resolve(target)));
}

/** Replaces a file whole: readers see the old text or the new one. */
export function replaceFile(file: string, text: string | Uint8Array): void {
  replaceFileBy(file, (descriptor) => writeWhole(descriptor, text));
}

/** Replaces a file whole by what `write` writes; nothing is left of a failure. */
export function replaceFileBy<T>(file: string, write: (descriptor: number) => T): T {
  const partial = newPartial(file);
  try {
    const result = writeThenSync(partial, write);
    giveName(partial, file);
    return result;
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
