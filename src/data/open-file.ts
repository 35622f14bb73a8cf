import { closeSync, readSync } from 'node:fs';
import { DataError } from '../base/errors.js';
import { openRegular } from '../base/regular-file.js';

/** A regular file opened for reading. */
export interface OpenFile {
  readonly path: string;
  /** The part that reads it (`idx`, `npy`, …), for error messages. */
  readonly where: string;
  readonly fd: number;
  readonly sizeBytes: number;
  /** Where it was unpacked into memory; else null. */
  readonly held: Uint8Array | null;
}

/** A file that lies in another one, unpacked. */
export function heldFile(where: string, path: string, held: Uint8Array): OpenFile {
  return { path, where, fd: -1, sizeBytes: held.length, held };
}

/**
 * Opens a file, hands it to `use` and closes it, whatever happens.
 *
 * @throws DataError when it is missing, unreadable or no regular file (a pipe would block, a
 *   device has no size to bound memory by).
 */
export function withFile<T>(where: string, path: string, use: (file: OpenFile) => T): T {
  const file = openFile(where, path);
  try {
    return use(file);
  } finally {
    closeSync(file.fd);
  }
}

/** Like `withFile`, but the caller closes `fd`. */
export function openFile(where: string, path: string): OpenFile {
  try {
    const { descriptor, sizeBytes } = openRegular(path);
    return { path, where, fd: descriptor, sizeBytes, held: null };
  } catch (error) {
    throw cannotRead(where, path, error);
  }
}

/**
 * Fills `out` with the bytes from `position` on.
 *
 * @throws DataError when the file ends before `out` is full.
 */
export function readAt(file: OpenFile, out: Uint8Array, position: number): void {
  let done = 0;
  if (file.held !== null) {
    const bytes = file.held.subarray(position, position + out.length);
    out.set(bytes);
    done = bytes.length;
    if (done < out.length) throw truncated(file, position + done, out.length - done);
  }
  while (done < out.length) {
    let count: number;
    try {
      const wanted = Math.min(out.length - done, 1 << 30);
      count = readSync(file.fd, out, done, wanted, position + done);
    } catch (error) {
      throw cannotRead(file.where, file.path, error);
    }
    if (count === 0) {
      throw truncated(file, position + done, out.length - done);
    }
    done += count;
  }
}

function truncated({ where, path }: OpenFile, end: number, lacking: number): DataError {
  return new DataError(
    where,
    `${path}: ends at byte ${end}, ${lacking} bytes early; the file is truncated`,
  );
}

function cannotRead(where: string, path: string, cause: unknown): DataError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const reasons: Record<string, string> = {
    ENOENT: 'no such file',
    ENOTFILE: 'not a regular file; data is read from files',
    EACCES: 'this user may not read it (EACCES)',
  };
  const reason = reasons[code] ?? `cannot be read: ${code}`;
  return new DataError(where, `${path}: ${reason}`, { cause });
}

/** A whole text file, of a size that a description has. @throws DataError */
export function readText(where: string, path: string, mostBytes = 64 << 20): string {
  return withFile(where, path, (file) => {
    if (file.sizeBytes > mostBytes) {
      throw new DataError(where, `${path}: ${file.sizeBytes} bytes; at most ${mostBytes} are read`);
    }
    const bytes = Buffer.alloc(file.sizeBytes);
    readAt(file, bytes, 0);
    return bytes.toString('utf8');
  });
}
