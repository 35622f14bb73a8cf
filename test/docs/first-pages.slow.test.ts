import { it } from 'node:test';
import { QUICK, readPage } from './pages.js';
import { UserFolder } from './user-folder.js';

// Read early, so that .ci/run runs them; they take longer than those of commands.test.ts.
for (const name of ['docs/getting-started.md', 'docs/your-data.md']) {
  it(`the commands of ${name} run as written`, async (context) => {
    await new UserFolder(context).follow(readPage(name));
  });
}

it('those of docs/plan.md and docs/serve.md, with the run that the README makes, do too', async (context) => {
  const folder = new UserFolder(context);
  for (const name of [QUICK, 'docs/plan.md', 'docs/serve.md']) await folder.follow(readPage(name));
});
