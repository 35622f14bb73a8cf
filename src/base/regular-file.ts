import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';

/** A regular file that is open for reading. */
export interface RegularFile {
  readonly descriptor: number;
  readonly sizeBytes: number;
}

/**
 * Opens a file for reading, and nothing that only looks like one: a pipe would wait for its writer,
 * a device has no size to bound memory by.
 *
 * @throws the system's error; one of the same form for what is no regular file
 */
export function openRegular(file: string): RegularFile {
  refuseOthers(file, statSync(file).isFile());
  const { O_RDONLY, O_NONBLOCK } = constants;
  // Not waiting: what has the name by now may be a pipe.
  const descriptor = openSync(file, O_RDONLY | (O_NONBLOCK ?? 0));
  try {
    const stats = fstatSync(descriptor);
    refuseOthers(file, stats.isFile());
    return { descriptor, sizeBytes: stats.size };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function refuseOthers(file: string, isFile: boolean): void {
  if (isFile) return;
  const message = `${file} is not a regular file`;
  throw Object.assign(new Error(message), { code: 'ENOTFILE', syscall: 'open' });
}

/**
 * The bytes of a small file, as many as it has.
 *
 * @throws as `openRegular`, and for a file of more than `mostBytes`
 */
export function readSmall(file: string, mostBytes: number): Buffer {
  const { descriptor, sizeBytes } = openRegular(file);
  try {
    if (sizeBytes > mostBytes) {
      const message = `${file} has ${sizeBytes} bytes; at most ${mostBytes} are read`;
      throw Object.assign(new Error(message), { code: 'EFBIG', syscall: 'read' });
    }
    const bytes = Buffer.alloc(sizeBytes);
    let done = 0;
    while (done < sizeBytes) {
      const count = readSync(descriptor, bytes, done, sizeBytes - done, done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  } finally {
    closeSync(descriptor);
  }
}
