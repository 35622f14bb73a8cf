// The page of a server in a real browser: a row of a table is answered as `predict` answers it.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import axe from 'axe-core';
import { loadModel, serve, train } from 'phantom-parallel';
import { findBrowser, launchBrowser } from '../support/browser.js';
import { temporaryFolder } from '../support/files.js';
import { COLUMNS, csv, NETWORK } from '../support/houses.js';
import { quietLog } from '../support/inference-client.js';
import { SERVE_SETTINGS } from '../support/serve-settings.js';

const { path: browserPath, skip } = findBrowser();

describe("a server's page in Chromium", { skip }, () => {
  it('shows models and answers a row, to whoever has the token', async (context) => {
    const folder = temporaryFolder(context);
    const data = path.join(folder, 'houses.csv');
    writeFileSync(data, csv(COLUMNS));
    const settings = { ...NETWORK, steps: 5, batch: 32 };
    const table = path.join(folder, 'table');
    await train({ ...settings, data, id: 'id', target: ['price'], out: table });
    const numbers = path.join(folder, 'numbers');
    await train({ ...settings, data: 'synthetic:teacher', out: numbers });

    const model = await loadModel(table, { engine: 'wasm' });
    const row = { age: 12, sqft: 120, kind: 'flat' };
    const [expected] = await model.predict([row]);
    await model.close();

    const models = [`table=${table}`, `numbers=${numbers}`];
    const timeoutMs = 60_000;
    const shown = { ...SERVE_SETTINGS, models, timeoutMs, token: 'a token', log: quietLog };
    const server = await serve(shown);
    context.after(() => server.close(1000));
    const browser = await launchBrowser(browserPath);
    context.after(() => browser.close());
    for (const [colorScheme, width] of [
      ['light', 1280],
      ['dark', 360],
    ] as const) {
      const page = await browser.newPage({ colorScheme, viewport: { width, height: 800 } });
      const errors: string[] = [];
      page.on('console', (message) => errors.push(message.text()));
      page.on('pageerror', (error) => errors.push(error.message));
      await page.goto(`${server.url}/#token=a%20token`);
      const form = page.locator('form').first();
      await form.getByLabel('age').fill(String(row.age));
      await form.getByLabel('sqft').fill(String(row.sqft));
      await form.getByLabel('kind').selectOption(row.kind);
      await form.getByRole('button').click();
      const answer = String(Number(Number(expected?.['price']).toPrecision(6)));
      await form.locator('tbody').getByText(answer, { exact: true }).waitFor();

      const other = page.locator('form').nth(1);
      await other.getByRole('textbox').fill('1, 2');
      await other.getByRole('button').click();
      await other.getByText(/^2 numbers; a row has \d+$/).waitFor();
      await page.getByText(/^[1-9]\d* requests? answered, 0 failed$/).waitFor();
      await page.getByRole('row', { name: 'POST /predict' }).first().waitFor();

      await page.evaluate(axe.source);
      const violations = await page.evaluate(
        'axe.run().then((found) => found.violations.map(({ id, nodes }) => id + " " + nodes[0].html))',
      );
      assert.deepEqual(violations, []);
      const overflow = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      assert.equal(overflow, 0);
      assert.deepEqual(errors, []);
      await page.close();
    }
    const without = await browser.newPage();
    await without.goto(server.url);
    await without.getByText('the address needs #token=').waitFor();
  });
});
