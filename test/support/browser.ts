import { existsSync } from 'node:fs';
import type { Browser } from 'playwright-core';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** A Chromium of this machine, or why there is none; `CHROMIUM=none` hides it. */
export function findBrowser(): { readonly path: string; readonly skip: false | string } {
  if (process.env['CHROMIUM'] === 'none') return { path: '', skip: 'CHROMIUM=none hides it' };
  const path = [process.env['CHROMIUM'] ?? '', ...CANDIDATES].find(
    (file) => file !== '' && existsSync(file),
  );
  if (path !== undefined) return { path, skip: false };
  if (process.env['PHANTOM_REQUIRE_NATIVE'] === '1') throw new Error('no Chromium is installed');
  return { path: '', skip: 'no Chromium is installed' };
}

export async function launchBrowser(path: string): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  return chromium.launch({
    executablePath: path,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
