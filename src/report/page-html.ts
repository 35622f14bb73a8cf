import { readFileSync } from 'node:fs';
import type { PageData } from './page-data.js';

/** A whole page with its data inside and nothing outside it. */
export function pageHtml(data: PageData): string {
  const template = readFileSync(new URL('./page.html', import.meta.url), 'utf8');
  // In a script element, only `<` could end or open anything.
  const json = JSON.stringify(data).replaceAll('<', String.raw`\u003c`);
  return template.replace(/(?<=id="data">)\s*null\s*(?=<)/, () => json);
}
