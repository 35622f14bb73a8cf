// The live page in a real browser beside a real run, which is killed and goes on.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startWatch } from '#src/app/watch/watch-server.js';
import { findBrowser, launchBrowser } from '../support/browser.js';
import { temporaryFolder } from '../support/files.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const { path: browserPath, skip } = findBrowser();

describe('the live page beside a run', { skip }, () => {
  it(
    'follows it, shows it dead when it is killed, running again, and interrupted',
    { timeout: 300_000 },
    async (context) => {
      const root = temporaryFolder(context);
      const runs = path.join(root, 'runs');
      mkdirSync(path.join(runs, 'foreign'), { recursive: true });
      writeFileSync(path.join(runs, 'foreign/config.json'), '{"some":"thing"}');
      const size = [
        '--width',
        '16',
        '--blocks',
        '2',
        '--ghosts',
        '2',
        '--ranks',
        '2',
        '--batch',
        '8',
      ];
      const begin = (...args: string[]) => {
        const child = spawn(process.execPath, [MAIN, 'train', ...args, '--json'], {
          cwd: root,
          stdio: 'ignore',
        });
        context.after(() => child.kill('SIGKILL'));
        return child;
      };
      const end = async (child: ReturnType<typeof begin>, signal: NodeJS.Signals) => {
        const exit = once(child, 'exit');
        child.kill(signal);
        await exit;
      };
      const steps = ['--steps', '100000000', '--log-every', '50', '--checkpoint-every', '500'];
      const first = begin(...size, ...steps, '--engine', 'wasm', '--out', 'runs/live');

      const options = { folders: [runs], host: '127.0.0.1', port: 0, hosts: [], everyMs: 100 };
      const watch = await startWatch({ ...options, token: null });
      context.after(() => watch.close());
      const browser = await launchBrowser(browserPath);
      context.after(() => browser.close());
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
      page.setDefaultTimeout(120_000);
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      await page.goto(watch.url);
      await page.locator('.notes li', { hasText: /skipped: .*foreign/ }).waitFor();
      await page.locator('.state.running').waitFor();

      const cell = page.locator('.runs td', { hasText: / of 100,000,000$/ });
      const step = async () =>
        Number((await cell.textContent())?.split(' ')[0]?.replaceAll(',', ''));
      const curve = page.locator('figure').first().locator('g.line path').last();
      const beyond = async (least: number) => {
        let now = await step();
        while (now <= least) {
          await page.waitForTimeout(50);
          now = await step();
        }
        return now;
      };
      const before = await beyond(0);
      await curve.waitFor({ state: 'attached' });
      const drawn = await curve.getAttribute('d');
      // Far enough for a checkpoint to go on from.
      await beyond(before + 1000);
      assert.notEqual(await curve.getAttribute('d'), drawn);
      await page.locator('figcaption', { hasText: 'Lag of the slowest rank' }).waitFor();
      await page.locator('figcaption', { hasText: 'Ranks of live: the newest step' }).waitFor();

      await end(first, 'SIGKILL');
      await page.locator('.state.dead').waitFor();
      const again = begin('--resume', 'runs/live');
      await page.locator('.state.running').waitFor();
      await page.locator('details.run summary').click();
      await page.getByRole('cell', { name: /^goes on from step \d+/ }).waitFor();
      await beyond(await step());
      await end(again, 'SIGINT');
      await page.locator('.state.interrupted').waitFor();
      await page
        .getByRole('cell', { name: /^ended after .* steps: interrupted; .*--resume/ })
        .waitFor();
      assert.deepEqual(errors, []);
    },
  );
});
