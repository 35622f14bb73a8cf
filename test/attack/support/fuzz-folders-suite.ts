// The same attack in two lengths: changed runs and models are read, or refused in a line, and no
// damage goes unseen.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PhantomError } from '#src/base/errors.js';
import { temporaryFolder } from '../../support/files.js';
import { FolderFuzzer } from './fuzz-folders.js';

/** Of a folder of a few kilobytes; one that waits for something would take for ever. */
const MOST_MS = 120_000;
/** What all of them may add to the process. */
const MOST_GROWTH_MIB = 512;

/** @param folders how many */
export function fuzzFoldersSuite(folders: number): void {
  const seed = Number(process.env['PHANTOM_TEST_SEED'] ?? 1);
  const folder = temporaryFolder({ after });
  let fuzzer: FolderFuzzer;
  before(async () => {
    fuzzer = await FolderFuzzer.create(folder);
  });

  describe('changed folders of runs and models', () => {
    it('are read or refused in a line', async () => {
      const began = process.resourceUsage().maxRSS;
      const outcomes: Record<string, { read: number; refused: number }> = {};
      for (let index = 0; index < folders; index++) {
        const { what, folder: changed, use, mustRefuse } = fuzzer.changed(seed, index);
        const where = `folder ${index} of seed ${seed}, ${what}`;
        const outcome = (outcomes[use.name] ??= { read: 0, refused: 0 });
        let error: unknown = null;
        try {
          await inTime(use.use(changed), where);
          outcome.read++;
        } catch (thrown) {
          error = thrown;
          outcome.refused++;
        }
        if (error === null) {
          assert.ok(!mustRefuse, `${where}: it was read`);
          continue;
        }
        assert.ok(error instanceof PhantomError, `${where}: ${(error as Error).stack}`);
        assert.ok(error.message.length < 2000, `${where}: ${error.message.slice(0, 3000)}`);
        // A line for each thing that is wrong.
        for (const line of error.message.split('\n')) assert.match(line, /^\[/, where);
      }
      for (const { use, folder: right } of fuzzer.right()) await use.use(right);
      const all = Object.values(outcomes);
      assert.ok(all.some(({ read }) => read > 0) && all.every(({ refused }) => refused > 0));
      const growthMib = (process.resourceUsage().maxRSS - began) / 1024;
      assert.ok(growthMib < MOST_GROWTH_MIB, `grew by ${growthMib} MiB`);
    });
  });
}

async function inTime(work: Promise<void>, where: string): Promise<void> {
  const done = new AbortController();
  const late = sleep(MOST_MS, null, { signal: done.signal }).then(
    () => assert.fail(`${where}: no end after ${MOST_MS} ms`),
    () => {},
  );
  try {
    await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}
