// The live page in a real browser: runs that start after it, go on and end.
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import axe from 'axe-core';
import { startWatch } from '#src/app/watch/watch-server.js';
import { findBrowser, launchBrowser } from '../support/browser.js';
import { temporaryFolder } from '../support/files.js';
import { writeRunFolder } from '../support/run-folder.js';

const { path: browserPath, skip } = findBrowser();

describe('the live page in Chromium', { skip }, () => {
  it('shows a run that starts, goes on and ends, to whoever has the token', async (context) => {
    const root = temporaryFolder(context);
    const options = { folders: [root], host: '127.0.0.1', port: 0, hosts: [], everyMs: 50 };
    const watch = await startWatch({ ...options, token: 'a token' });
    context.after(() => watch.close());
    const browser = await launchBrowser(browserPath);
    context.after(() => browser.close());
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(`${watch.url}/#token=a%20token`);
    await page.getByText('No run yet').waitFor();

    const folder = writeRunFolder(path.join(root, 'one'));
    const file = path.join(folder, 'metrics.jsonl');
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    writeFileSync(file, `${lines.slice(0, 4).join('\n')}\n`);
    await page.locator('.state.running').waitFor();
    await page.getByRole('cell', { name: '20 of 100' }).waitFor();
    await page.locator('figure svg').first().waitFor();
    appendFileSync(file, `${lines.slice(4).join('\n')}\n`);
    await page.locator('.state.finished').waitFor();
    await page.evaluate(axe.source);
    const violations = await page.evaluate(
      'axe.run().then((found) => found.violations.map(({ id, nodes }) => id + " " + nodes[0].html))',
    );
    assert.deepEqual(violations, []);

    const other = await browser.newPage();
    await other.goto(watch.url);
    await other.getByText('the address needs #token=').waitFor();
    assert.deepEqual(errors, []);
  });
});
