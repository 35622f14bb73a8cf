// The report in a real browser: no errors, accessible, and no wider than a phone.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { findBrowser, launchBrowser } from '../support/browser.js';
import { temporaryFolder } from '../support/files.js';
import { writeRunFolder } from '../support/run-folder.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const { path: browserPath, skip } = findBrowser();

/** Runs in the page. */
const widthsOf = (drawings: { getAttribute(name: string): string | null }[]) =>
  drawings.map((drawing) => drawing.getAttribute('width') ?? '');

/** Runs in the page: where figures and headings stand in it. */
const PLACES = `[...document.querySelectorAll('h2, figure')].map((element) => {
  const { top, height } = element.getBoundingClientRect();
  return [Math.round(top + scrollY), Math.round(height)].join(' ');
})`;

/** Runs in the page: goes through it until all figures are drawn. */
const DRAW_ALL = `(async () => {
  for (const place of document.querySelectorAll('.canvas')) {
    place.scrollIntoView();
    while (place.querySelector('svg') === null) await new Promise(requestAnimationFrame);
  }
  scrollTo(0, 0);
})()`;

/** What A4 has between its margins. */
const PAPER = { width: 703, height: 1032 };

/**
 * Runs in the page, whose columns stand for sheets: what it moves down by so many pixels begins nearer to
 * the end of one. @returns headings that are on another sheet than the first row or figure below them
 */
const LONELY = `(() => {
  const main = document.querySelector('main');
  const space = document.createElement('div');
  main.prepend(space);
  const lonely = [];
  Object.assign(main.style, {
    maxWidth: 'none', columnWidth: '${PAPER.width}px', columnFill: 'auto', height: '${PAPER.height}px',
  });
  const left = (element) => Math.floor(element.getBoundingClientRect().left / ${PAPER.width});
  for (let px = 600; px < ${PAPER.height}; px += 12) {
    space.style.height = px + 'px';
    for (const section of document.querySelectorAll('section:not(.closed)')) {
      const below = section.querySelector('tbody tr, figure svg');
      const heading = section.querySelector('h2');
      if (left(heading) !== left(below)) lonely.push(px + ': ' + heading.textContent);
    }
  }
  space.remove();
  main.removeAttribute('style');
  return lonely;
})()`;

/** The report of the runs in a folder, 1280 pixels wide. */
async function reportPage(context: TestContext, cwd: string): Promise<Page> {
  const made = spawnSync(process.execPath, [MAIN, 'report', 'runs'], { cwd, encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  const browser = await launchBrowser(browserPath);
  context.after(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(pathToFileURL(path.join(cwd, 'report.html')).href);
  return page;
}

/** What is said where the pointer stands in the middle of the first figure. One that is drawn again while
 * the pointer rests says nothing before it moves. */
async function firstTip(page: Page): Promise<string> {
  const figure = page.locator('figure svg').first();
  for (let tries = 0; tries < 100; tries++) {
    await figure.hover();
    const { x, y, width, height } = (await figure.boundingBox()) ?? assert.fail('it is not drawn');
    await page.mouse.move(x + width / 2 + (tries % 2), y + height / 2);
    const tip = await figure.locator('.tip').textContent();
    if (tip !== null && tip !== '') return tip;
    await page.waitForTimeout(50);
  }
  return '';
}

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
        // Before tables are opened: what they push away is drawn, and moves, while the pointer stands.
        assert.match(await firstTip(page), /training loss: [\d.]+/);
        const before = await page.evaluate(PLACES);
        await page.evaluate(DRAW_ALL);
        assert.deepEqual(await page.evaluate(PLACES), before, 'what is drawn moves nothing');
        await page.evaluate(
          'for (const each of document.querySelectorAll("details")) each.open = true',
        );
        await page.evaluate(axe.source);
        const violations = await page.evaluate(
          'axe.run().then((found) => found.violations.map(({ id, nodes }) => id + " " + nodes[0].html))',
        );
        assert.deepEqual(violations, [], `${colorScheme}, ${width} pixels`);
        assert.deepEqual(errors, []);
        await page.close();
      }
    }
  });

  it('groups by a setting, shows one data set at a time, and the log of runs', async (context) => {
    const cwd = temporaryFolder(context);
    for (let i = 0; i < 16; i++) {
      writeRunFolder(path.join(cwd, `runs/r${i}`), {
        data: i < 10 ? 'houses.csv' : 'steam.csv',
        settings: { ghosts: [2, 4, 16][i % 3], seed: i },
        lines: (lines) => [
          ...lines.slice(0, 3),
          '{"type":"warning","message":"the same of all"}',
          ...lines.slice(3),
        ],
      });
    }
    const page = await reportPage(context, cwd);
    assert.deepEqual(await page.locator('.notes li').allTextContents(), [
      'r0, r1, 14 more: the same of all',
    ]);
    const rows = page.locator('.runs tbody tr');
    await page.getByLabel('Group by').selectOption('ghosts');
    const groups = (await rows.allTextContents()).map(
      (text) => /ghosts \d+ \d+ runs/.exec(text)?.[0],
    );
    assert.deepEqual(groups, ['ghosts 2 6 runs', 'ghosts 4 5 runs', 'ghosts 16 5 runs']);
    await page.getByRole('button', { name: 'ghosts 4' }).press('Enter');
    assert.equal(await rows.count(), 3 + 5);

    const legend = () => page.locator('figure').first().locator('svg').textContent();
    assert.match((await legend()) ?? '', /r0(?=r1)/);
    assert.equal(await page.locator('details.run').count(), 7);
    await page.getByLabel('Data and loss').selectOption('steam.csv, mse');
    const curves = page.locator('figure').first().locator('g.line path');
    await page.locator('figure svg', { hasText: 'r15' }).first().waitFor();
    assert.equal(await page.locator('details.run').count(), 6);
    await page.locator('details.run summary').first().click();
    await page.getByRole('cell', { name: 'warning: the same of all' }).waitFor();
    assert.equal(await curves.count(), 6);
    await page.getByRole('searchbox').fill('ghosts=16');
    await page.getByText('5 of 16; 6 in color').waitFor();
    await page.evaluate(axe.source);
    const violations = await page.evaluate(
      'axe.run().then((found) => found.violations.map(({ id, nodes }) => id + " " + nodes[0].html))',
    );
    assert.deepEqual(violations, []);
    await page.getByRole('button', { name: 'ghosts 16' }).click();
    await page.getByRole('checkbox', { name: 'r2', exact: true }).click();
    assert.equal(await page.getByLabel('Data and loss').inputValue(), 'houses.csv, mse');
    await page.getByLabel('A panel for each run').press('Space');
    const panels = page.locator('figure svg', { hasText: /training loss.*r2.*r5.*r8/s });
    await panels.first().waitFor();
    assert.deepEqual(
      await page.evaluate('axe.run().then((found) => found.violations.map(({ id }) => id))'),
      [],
    );
  });

  it('sorts, searches and chooses runs by keyboard; prints on paper', async (context) => {
    const cwd = temporaryFolder(context);
    for (let i = 0; i < 9; i++) {
      writeRunFolder(path.join(cwd, `runs/r${i}`), {
        settings: {
          ghosts: 1 + i,
          lr: 0.001 * 1.7 ** i,
          seed: i,
          optimizer: i < 5 ? 'sgd' : 'adam',
        },
        lines: (lines) =>
          lines.map((line) =>
            line
              .replace('"validationLoss":0.011', `"validationLoss":0.${9 - i}`)
              .replace('"validationAccuracy":null', `"validationAccuracy":-1.1e${2 * i}`),
          ),
      });
    }
    const page = await reportPage(context, cwd);
    const names = () => page.locator('.runs tbody th').allTextContents();
    assert.equal(await page.locator('.runs input:checked').count(), 7);
    assert.equal(await page.locator('.runs tr', { hasText: 'r0' }).locator(':checked').count(), 0);

    await page.getByRole('button', { name: 'validation loss', exact: true }).press('Enter');
    assert.deepEqual((await names()).slice(0, 2), ['r8', 'r7']);
    await page.getByRole('searchbox').fill('ghosts=3');
    assert.deepEqual(await names(), ['r2']);
    await page.getByRole('checkbox', { name: 'r2' }).press('Space');
    await page.getByRole('searchbox').fill('');
    assert.equal(await page.locator('.runs input:checked').count(), 6);
    const curves = 'figure:first-of-type g.line path';
    assert.ok((await page.locator(curves).count()) > 0);

    await page.emulateMedia({ media: 'print' });
    await page.evaluate('dispatchEvent(new Event("beforeprint"))');
    await page.waitForTimeout(50);
    const [figures, drawn] = [page.locator('figure'), page.locator('figure svg')];
    assert.equal(await drawn.count(), await figures.count());
    const widths = async () => new Set(await drawn.evaluateAll(widthsOf));
    assert.deepEqual([...(await widths())].toSorted(), ['480', '960']);
    await page.setViewportSize(PAPER);
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), PAPER.width);
    const room =
      '[...document.querySelectorAll(".canvas")].map((place) => Math.round(' +
      'place.clientHeight - place.firstChild.getBoundingClientRect().height)).filter(Boolean)';
    assert.deepEqual(await page.evaluate(room), [], 'nothing is kept free on paper');
    assert.deepEqual(await page.evaluate(LONELY), []);
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.emulateMedia({ media: 'screen' });
    await page.evaluate('dispatchEvent(new Event("afterprint"))');
    await page.locator('figure').first().scrollIntoViewIfNeeded();
    const isBack = 'document.querySelector("figure svg").getAttribute("width") !== "480"';
    await page.waitForFunction(isBack);
  });
});
