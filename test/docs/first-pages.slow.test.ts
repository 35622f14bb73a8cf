import { it } from 'node:test';
import { readPage } from './pages.js';
import { UserFolder } from './user-folder.js';

// Read early, so that .ci/run runs them; they take longer than those of commands.test.ts.
for (const name of ['docs/getting-started.md', 'docs/your-data.md']) {
  it(`the commands of ${name} run as written`, async (context) => {
    await new UserFolder(context).follow(readPage(name));
  });
}
