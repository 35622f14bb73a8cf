import { readdirSync } from 'node:fs';

const FOLDER = new URL('../../../src/doors/', import.meta.url);

/** What users can import: the package's root and every subpath. */
export const DOORS: readonly string[] = [
  'phantom-parallel',
  ...readdirSync(FOLDER).map((file) => `phantom-parallel/${file.replace(/\.ts$/, '')}`),
];
