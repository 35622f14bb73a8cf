import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';

const CHANGES = [
  ...(['mkdirSync', 'openSync', 'writeSync', 'fsyncSync', 'ftruncateSync', 'renameSync'] as const),
  ...(['linkSync', 'unlinkSync', 'rmSync', 'rmdirSync'] as const),
];

/**
 * Does something as a process would that is killed at its `at`-th operation on files, from 1: that
 * one is half done, and none after it has an effect.
 *
 * @returns false when the work came to its end before
 */
export function diesAt(at: number, work: () => void): boolean {
  const originals = CHANGES.map(
    (name) => [name, fs[name] as (...args: never[]) => unknown] as const,
  );
  let done = 0;
  for (const [name, original] of originals) {
    const dying = (...args: never[]): unknown => {
      done++;
      if (done === at) halfOf(name, args);
      if (done >= at) throw new Error('killed');
      return original(...args);
    };
    Object.assign(fs, { [name]: dying });
  }
  const halfOf = (name: string, args: readonly unknown[]) => {
    const [, original] = originals.find(([each]) => each === name) as (typeof originals)[number];
    const call = original as (...all: unknown[]) => unknown;
    const [first = '', bytes] = args as [string?, unknown?];
    if (name === 'writeSync' && bytes instanceof Uint8Array) {
      call(first, bytes, 0, bytes.length >> 1);
    }
    if (name === 'rmSync' && fs.existsSync(first)) {
      const [file] = fs.statSync(first).isDirectory() ? fs.readdirSync(first) : [];
      if (file !== undefined) call(path.join(first, file), { recursive: true });
    }
  };
  syncBuiltinESMExports();
  try {
    work();
    if (done < at) return false;
  } catch (error) {
    if (done < at) throw error;
  } finally {
    Object.assign(fs, Object.fromEntries(originals));
    syncBuiltinESMExports();
  }
  return true;
}
