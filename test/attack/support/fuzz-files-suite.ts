// The same attack in two lengths: changed files are read, or refused in a line that says where.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { PhantomError } from '#src/base/errors.js';
import { temporaryFolder } from '../../support/files.js';
import { changedFile, type FileFormat, fileFormats } from './fuzz-files.js';

/** Files have less than 200 KB: what reading one may add to the process, with what the database
 * and the garbage collector take in their time. */
const MOST_GROWTH_MIB = 512;

/** @param files how many */
export function fuzzFilesSuite(files: number): void {
  const seed = Number(process.env['PHANTOM_TEST_SEED'] ?? 1);
  const folder = temporaryFolder({ after });
  let formats: FileFormat[] = [];
  before(async () => {
    formats = await fileFormats(folder);
  });

  describe('changed files', () => {
    it('are right as they were made', async () => {
      for (const { name, file, read } of formats) {
        await assert.doesNotReject(async () => read(file), name);
      }
    });

    it('are read or refused in a line', async () => {
      const began = process.resourceUsage().maxRSS;
      const outcomes = new Map(formats.map(({ name }) => [name, { read: 0, refused: 0 }]));
      for (let index = 0; index < files; index++) {
        const { format, bytes } = changedFile(formats, seed, index);
        const outcome = outcomes.get(format.name) as { read: number; refused: number };
        writeFileSync(format.file, bytes);
        try {
          await format.read(format.file);
          outcome.read++;
        } catch (error) {
          const where = `file ${index} of seed ${seed}, ${format.name}`;
          // The test's own reading of a state before its hash is put right.
          if (error instanceof SyntaxError && format.name.endsWith('state.json')) continue;
          assert.ok(error instanceof PhantomError, `${where}: ${(error as Error).stack}`);
          assert.ok(error.message.length < 2000, `${where}: ${error.message.slice(0, 3000)}`);
          outcome.refused++;
        } finally {
          writeFileSync(format.file, format.bytes);
        }
      }
      const all = [...outcomes.values()].reduce((sum, { refused }) => sum + refused, 0);
      assert.ok(all > files / 4, `${all} of ${files} refused`);
      const growthMib = (process.resourceUsage().maxRSS - began) / 1024;
      assert.ok(growthMib < MOST_GROWTH_MIB, `grew by ${growthMib} MiB`);
    });
  });
}
