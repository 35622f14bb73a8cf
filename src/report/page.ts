import { readFileSync } from 'node:fs';
import type { PageData } from './page-data.js';
import { THEME_CSS } from './palette.js';

/** A whole page with its data inside and nothing outside it. */
export function pageHtml(data: PageData): string {
  const template = readFileSync(new URL('./page.html', import.meta.url), 'utf8');
  // In a script element, only `<` could end or open anything.
  const json = JSON.stringify(data).replaceAll('<', String.raw`\u003c`);
  return template
    .replace('/*theme*/', () => THEME_CSS)
    .replace(/(?<=id="data">)\s*null\s*(?=<)/, () => json);
}
