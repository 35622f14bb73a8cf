import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QUICK, userPages } from './pages.js';
import { UserFolder } from './user-folder.js';

const pages = userPages();
/** Those that people read first; `commands.slow.test.ts` runs the others. */
const quick = pages.filter(({ name }) => QUICK.has(name));
const blocks = pages.flatMap((page) => page.blocks);

describe('the commands and scripts of README and docs/', () => {
  it('run as written, page by page', async (context) => {
    const folder = new UserFolder(context);
    for (const page of quick) {
      await context.test(page.name, () => folder.follow(page, { npx: page.name === 'README.md' }));
    }
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
