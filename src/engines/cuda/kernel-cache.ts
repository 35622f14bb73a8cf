import { createHash } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  type Stats,
  statSync,
  utimesSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { NativeError } from '../../base/errors.js';
import {
  isSystemError,
  makeFolders,
  remedyFor,
  replaceFileBy,
  writeWhole,
} from '../../base/files.js';

/** Files that are kept, at most: those that were used last. */
export const MOST_KEPT = 16;
const FILE = /^[\da-f]{64}\.cubin$/;
const DIGEST_BYTES = 32;

/** Where compiled kernels are kept. */
export interface KernelFolder {
  readonly path: string;
  /** Whether a user named it: then it has to work. */
  readonly named: boolean;
}

/**
 * The folder that PHANTOM_CUDA_CACHE names, else one of the user's (`XDG_CACHE_HOME`, or `~/.cache`).
 *
 * @returns null where the variable is `off`, or the user has no home
 */
export function kernelFolder(env: NodeJS.ProcessEnv = process.env): KernelFolder | null {
  const named = env['PHANTOM_CUDA_CACHE'];
  if (named === 'off') return null;
  if (named !== undefined && named !== '') return { path: named, named: true };
  const { XDG_CACHE_HOME: cache = '', HOME: home = homeOf() } = env;
  const base = path.isAbsolute(cache) ? cache : path.join(home, '.cache');
  if (!path.isAbsolute(base)) return null;
  return { path: path.join(base, 'phantom-parallel', 'cuda'), named: false };
}

function homeOf(): string {
  try {
    return os.homedir();
  } catch {
    // A user without an entry in the system's list.
    return '';
  }
}

/**
 * What was compiled from the same before, or is now. A file that is damaged is compiled again. A folder that nobody named and
 * that cannot be used is done without, which a warning says; there, what others own or may write counts as absent.
 *
 * @param key all that the result depends on
 * @throws NativeError where a folder that was named cannot be read or written
 */
export async function kept(
  folder: KernelFolder | null,
  key: readonly string[],
  compile: () => Promise<Uint8Array>,
  onWarning: (message: string) => void = (message) => process.emitWarning(message),
): Promise<Uint8Array> {
  if (folder === null) return compile();
  const hash = createHash('sha256').update(key.join('\0')).digest('hex');
  const file = path.join(folder.path, `${hash}.cubin`);
  let isUsable = true;
  const attempt = <T>(work: () => T): T | null => {
    if (!isUsable) return null;
    try {
      if (!folder.named) refuseOthersFolder(folder.path);
      return work();
    } catch (error) {
      if (!isSystemError(error)) throw error;
      if (!folder.named) {
        isUsable = false;
        const reason = `${folder.path} cannot be used: ${error.message}`;
        const remedy = `${remedyFor(error)}: PHANTOM_CUDA_CACHE names another, or is off`;
        onWarning(`[cuda] kernels are compiled at each start: ${reason}; ${remedy}`);
        return null;
      }
      throw new NativeError(
        'cuda',
        `PHANTOM_CUDA_CACHE is ${folder.path}: kernels cannot be kept there (${error.message}); ` +
          `${remedyFor(error)}, or set it to off`,
      );
    }
  };
  const found = attempt(() => readKept(file, folder.named));
  if (found !== null) return found;
  const binary = await compile();
  attempt(() => {
    makeFolders(folder.path, folder.named ? undefined : 0o700);
    replaceFileBy(file, (descriptor) => {
      if (!folder.named) fchmodSync(descriptor, 0o600);
      writeWhole(descriptor, Buffer.concat([digestOf(binary), binary]));
    });
    forgetOldest(folder.path);
  });
  return binary;
}

/** Whether nobody else can have written it: who can write a file can also write its digest. */
function isOwn({ uid, mode }: Stats): boolean {
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}

/** @throws an error as the system's where others own a folder, or may write there */
function refuseOthersFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined || isOwn(found)) return;
  const error = new Error('others own it or may write there, which chmod 700 ends for your own');
  throw Object.assign(error, { code: 'EPERM', syscall: 'stat' });
}

/** null: there is none, it is damaged, or others may have written it where that counts. */
function readKept(file: string, isShared: boolean): Uint8Array | null {
  let content: Buffer;
  try {
    const descriptor = openSync(file, 'r');
    try {
      if (!isShared && !isOwn(fstatSync(descriptor))) return null;
      content = readFileSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return null;
    throw error;
  }
  const binary = content.subarray(DIGEST_BYTES);
  if (!digestOf(binary).equals(content.subarray(0, DIGEST_BYTES))) return null;
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch (error) {
    // Another's, which may be read alone.
    if (!isSystemError(error)) throw error;
  }
  return binary;
}

function digestOf(binary: Uint8Array): Buffer {
  return createHash('sha256').update(binary).digest();
}

/** Other processes may do the same at once. */
function forgetOldest(folder: string): void {
  const files = readdirSync(folder)
    .filter((name) => FILE.test(name))
    .map((name) => path.join(folder, name))
    .map((file) => ({
      file,
      usedMs: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0,
    }))
    .toSorted((a, b) => b.usedMs - a.usedMs);
  for (const { file } of files.slice(MOST_KEPT)) rmSync(file, { force: true });
}
