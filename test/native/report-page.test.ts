// The report in a real browser: no errors, accessible, and no wider than a phone.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { findBrowser, launchBrowser } from '../support/browser.js';
import { temporaryFolder } from '../support/files.js';
import { writeRunFolder } from '../support/run-folder.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const { path: browserPath, skip } = findBrowser();

describe('the report in Chromium', { skip }, () => {
  it('has no errors, no violations in light and dark, and fits 360 pixels', async (context) => {
    const cwd = temporaryFolder(context);
    const long = 'a-run-with-a-name-that-is-very-long-and-has-no-space-in-it-at-all-0123456789';
    writeRunFolder(path.join(cwd, 'runs', long));
    for (const ghosts of [2, 8]) {
      writeRunFolder(path.join(cwd, `runs/ghosts-${ghosts}`), { settings: { ghosts } });
    }
    writeRunFolder(path.join(cwd, 'runs/cut-off'), {
      settings: { strategy: 'tensor', blocks: 2 },
      lines: (lines) => lines.slice(0, 6),
    });
    const made = spawnSync(process.execPath, [MAIN, 'report', 'runs'], { cwd, encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);

    const browser = await launchBrowser(browserPath);
    context.after(() => browser.close());
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [1280, 360]) {
        const page = await browser.newPage({ colorScheme, viewport: { width, height: 800 } });
        const errors: string[] = [];
        page.on('console', (message) => errors.push(message.text()));
        page.on('pageerror', (error) => errors.push(error.message));
        page.on('request', (request) => {
          if (!/^(?:file|data):/.test(request.url())) errors.push(request.url());
        });
        await page.goto(pathToFileURL(path.join(cwd, 'report.html')).href);
        const overflow = await page.evaluate(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        );
        assert.equal(overflow, 0, `${width} pixels`);
        await page.evaluate(axe.source);
        const violations = await page.evaluate(
          'axe.run().then((found) => found.violations.map(({ id, nodes }) => id + " " + nodes[0].html))',
        );
        assert.deepEqual(violations, [], `${colorScheme}, ${width} pixels`);
        const curve = width > 600 ? 'svg.wide' : 'svg.narrow';
        await page.locator(curve).first().hover();
        assert.match((await page.locator('#hover').textContent()) ?? '', /: [\d.e-]+ at \d+/);
        assert.deepEqual(errors, []);
        await page.close();
      }
    }
  });
});
