import { createHash } from 'node:crypto';
import { deprecate } from 'node:util';
import { CheckpointError } from '../base/errors.js';

/** The text of a JSON file that has a hash of itself: one changed byte in it is found. */
export function formatHashed(value: object, key: string): string {
  const hash = createHash('sha256').update(JSON.stringify(value)).digest('hex');
  return `${JSON.stringify({ ...value, [key]: hash }, null, 2)}\n`;
}

/** Whether a file is, byte for byte, as `formatHashed` wrote it. */
export function isAsHashed(text: string, value: object, key: string): boolean {
  const others = Object.entries(value).filter(([name]) => name !== key);
  return formatHashed(Object.fromEntries(others), key) === text;
}

/** The entry of a description that people read and may change. */
const HASH = 'hash';

/** The text of a description with its hash; one that it was read with is left out. */
export function formatDescription(value: object): string {
  const others = Object.entries(value).filter(([name]) => name !== HASH);
  return formatHashed(Object.fromEntries(others), HASH);
}

/**
 * Refuses a description that is not as it was written. One without a hash, as they once were, is
 * taken as it is; the process says so once.
 *
 * @throws CheckpointError naming the file, and what to do where the change was meant
 */
export function checkDescription(file: string, text: string, value: object): void {
  if (!Object.hasOwn(value, HASH)) {
    const message = `${file} has no hash of itself: whether it was changed is not known`;
    deprecate(() => {}, message, 'PHANTOM_UNHASHED')();
  } else if (!isAsHashed(text, value, HASH)) {
    const what = `${file}: its SHA-256 does not match, so it was changed or is damaged`;
    const remedy = `take the change back; if it was meant, remove the entry "${HASH}"`;
    throw new CheckpointError('checkpoint', `${what}; ${remedy}`);
  }
}
