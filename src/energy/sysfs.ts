import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { MeterError } from '../base/errors.js';

/** Where the kernel shows its devices; PHANTOM_SYSFS names another place, such as the host's `/sys`
 * in a container. */
export function sysfsRoot(): string {
  return process.env['PHANTOM_SYSFS'] ?? '/sys';
}

/** Names in a folder, in order; none where there is no such folder. */
export function entries(folder: string): string[] {
  return existsSync(folder)
    ? readdirSync(folder).toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    : [];
}

/** A file's text, or null where there is none that can be read. */
export function readText(...parts: readonly string[]): string | null {
  try {
    return readFileSync(path.join(...parts), 'utf8').trim();
  } catch {
    return null;
  }
}

/**
 * A number of at least 0 that a file holds.
 *
 * @param remedy what lets this user read it
 * @throws MeterError when it cannot be read or is no number
 */
export function readCount(where: string, file: string, remedy: string): number {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const denied = code === 'EACCES' || code === 'EPERM';
    throw new MeterError(
      where,
      denied
        ? `${file} may not be read by this user; ${remedy}`
        : `cannot read ${file}: ${message}`,
      { cause: error },
    );
  }
  if (/^\d+$/.test(text)) return Number(text);
  throw new MeterError(where, `${file} holds ${JSON.stringify(text.slice(0, 40))}, not a count`);
}

/** Whether an error came of a file that this user may not read. */
export function isDenied(error: unknown): boolean {
  const code = ((error as Error | null)?.cause as NodeJS.ErrnoException | undefined)?.code;
  return code === 'EACCES' || code === 'EPERM';
}
