import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QUICK, readPage, userPages } from './pages.js';
import { UserFolder } from './user-folder.js';

const pages = userPages();
const blocks = pages.flatMap((page) => page.blocks);

describe('the commands and scripts of README and docs/', () => {
  it(`of ${QUICK} run as written`, async (context) => {
    // `first-pages.slow.test.ts` and `commands.slow.test.ts` run the others.
    await new UserFolder(context).follow(readPage(QUICK), { npx: true });
  });

  it('are run, or say why they are not', () => {
    const marks = new Set(blocks.map(({ mark }) => mark));
    assert.deepEqual(marks, new Set([null, 'norun', 'slow', 'background']));
    const skipped = blocks.filter(({ mark }) => mark === 'norun' || mark === 'slow');
    for (const { reason, text } of skipped) assert.match(reason, /\w+ \w+/, text);
    assert.ok(skipped.length <= 14, `${skipped.length} blocks are not run`);
    assert.ok(blocks.filter(({ language }) => language === 'sh').length > 3 * skipped.length);
  });

  it('are marked as commands', () => {
    for (const { name, prose } of pages) {
      const unmarked = /^ {4}(npx|npm|node|mpirun|srun|curl|phantom) .*/m.exec(prose);
      assert.equal(unmarked, null, `${name}: ${unmarked?.[0]}`);
    }
  });
});
