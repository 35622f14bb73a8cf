import { readFileSync } from 'node:fs';

/** Of a page that runs what is in it and asks only its own server. */
export const PAGE_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; " +
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'",
} as const;

/** The server's page, without any data: what it shows it asks for, with the token of its address. */
export function readPage(): Buffer {
  return readFileSync(new URL('./page.html', import.meta.url));
}
