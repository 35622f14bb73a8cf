import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import * as fc from 'fast-check';
import { DataError } from '../base/errors.js';

/** A folder that lives as long as the test file. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), `${name}-`));
  after(() => rmSync(folder, { recursive: true }));
  return folder;
}

export function isDataError(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof DataError, String(error));
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /\n/, 'one line');
    return true;
  };
}

/** Reads `file` cut at every length; each cut must be refused, with a DataError. */
export async function assertTruncationsRefused(
  file: string,
  bytes: Uint8Array,
  read: () => unknown,
): Promise<void> {
  for (let length = 0; length < bytes.length; length++) {
    writeFileSync(file, bytes.subarray(0, length));
    await assert.rejects(async () => read(), DataError, `cut to ${length} bytes`);
  }
  writeFileSync(file, bytes);
}

/** Most memory that reading a damaged file of a few hundred bytes may add to the process. */
const MAX_GROWTH_MB = 256;

/** Reads `file` with random bytes changed: it is read, or refused with a DataError, and no count in
 * it makes the process grow. */
export async function assertFlipsSurvived(
  file: string,
  bytes: Uint8Array,
  read: () => unknown,
  runs: number,
): Promise<void> {
  const before = process.resourceUsage().maxRSS;
  const flip = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }));
  await fc.assert(
    fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 3 }), async (flips) => {
      const damaged = Uint8Array.from(bytes);
      for (const [at, mask] of flips) damaged[at]! ^= mask;
      writeFileSync(file, damaged);
      try {
        await read();
      } catch (error) {
        assert.ok(error instanceof DataError, String(error));
      }
    }),
    { numRuns: runs },
  );
  writeFileSync(file, bytes);
  const growthMb = (process.resourceUsage().maxRSS - before) / 1024;
  assert.ok(growthMb < MAX_GROWTH_MB, `grew by ${growthMb} MB`);
}
