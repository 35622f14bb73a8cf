import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { NativeError } from '../../base/errors.js';
import { isSystemError, makeFolders, remedyFor, replaceFile } from '../../base/files.js';

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
 * that cannot be used is done without.
 *
 * @param key all that the result depends on
 * @throws NativeError where a folder that was named cannot be read or written
 */
export async function kept(
  folder: KernelFolder | null,
  key: readonly string[],
  compile: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  if (folder === null) return compile();
  const hash = createHash('sha256').update(key.join('\0')).digest('hex');
  const file = path.join(folder.path, `${hash}.cubin`);
  const attempt = <T>(work: () => T): T | null => {
    try {
      return work();
    } catch (error) {
      if (!isSystemError(error)) throw error;
      if (!folder.named) return null;
      throw new NativeError(
        'cuda',
        `PHANTOM_CUDA_CACHE is ${folder.path}: kernels cannot be kept there (${error.message}); ` +
          `${remedyFor(error)}, or set it to off`,
      );
    }
  };
  const found = attempt(() => readKept(file));
  if (found !== null) return found;
  const binary = await compile();
  attempt(() => {
    makeFolders(folder.path);
    replaceFile(file, Buffer.concat([digestOf(binary), binary]));
    forgetOldest(folder.path);
  });
  return binary;
}

/** null: there is none, or it is damaged. */
function readKept(file: string): Uint8Array | null {
  let content: Buffer;
  try {
    content = readFileSync(file);
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
