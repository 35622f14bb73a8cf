// A figure that cannot be drawn, in a real browser: the others are.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { findBrowser, launchBrowser } from '../support/browser.js';
import { temporaryFolder } from '../support/files.js';
import { writeRunFolder } from '../support/run-folder.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const { path: browserPath, skip } = findBrowser();

/** Runs in the page before its own code: the first figure cannot be drawn. */
const FAIL = `
  const replace = Element.prototype.replaceChildren;
  Element.prototype.replaceChildren = function (...children) {
    if (this === document.querySelector('figure .canvas')) throw new Error('cannot be drawn');
    return replace.apply(this, children);
  };
`;

describe('a figure that cannot be drawn, in Chromium', { skip }, () => {
  it('fails alone', async (context) => {
    const cwd = temporaryFolder(context);
    for (const name of ['one', 'two']) writeRunFolder(path.join(cwd, 'runs', name));
    const made = spawnSync(process.execPath, [MAIN, 'report', 'runs'], { cwd, encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    const browser = await launchBrowser(browserPath);
    context.after(() => browser.close());
    const page = await browser.newPage({ viewport: { width: 1280, height: 3000 } });
    const failure = page.waitForEvent('pageerror');
    await page.addInitScript(FAIL);
    await page.goto(pathToFileURL(path.join(cwd, 'report.html')).href);
    assert.equal((await failure).message, 'cannot be drawn');
    const figures = page.locator('figure .canvas');
    await figures.nth(1).locator('svg').first().waitFor();
    await figures.nth(2).locator('svg').first().waitFor();
    assert.equal(await figures.nth(0).locator('svg').count(), 0);
  });
});
