import { it } from 'node:test';
import { QUICK, userPages } from './pages.js';
import { UserFolder } from './user-folder.js';

it('the commands of the other pages, and the long ones, run as written', async (context) => {
  const folder = new UserFolder(context);
  const [readme, ...others] = userPages();
  // Other pages use the run that the README makes.
  if (readme) await context.test(readme.name, () => folder.follow(readme));
  for (const page of others) {
    if (page.blocks.length === 0) continue;
    await context.test(page.name, async () => {
      if (page.name !== QUICK) await folder.follow(page);
      await folder.follow(page, { mark: 'slow' });
    });
  }
});
