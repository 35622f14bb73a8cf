import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The page whose commands run in every test; those of the others take longer. */
export const QUICK = 'README.md';

/** A block of code in a page, between fences. */
export interface Block {
  readonly language: string;
  /** What the test does with it: `norun`, `slow` and `background`; null: runs it. */
  readonly mark: string | null;
  readonly reason: string;
  readonly text: string;
}

export interface Page {
  /** `README.md`, `docs/train.md` */
  readonly name: string;
  readonly text: string;
  readonly blocks: readonly Block[];
  /** Without its fenced blocks. */
  readonly prose: string;
}

const FENCED = /^```(\w*)(?: (\w+))?(?:: (.*))?\n([^]*?)^```$/gm;

export function readPage(name: string): Page {
  const text = readFileSync(path.join(ROOT, name), 'utf8');
  const blocks = [...text.matchAll(FENCED)].map(
    ([, language = '', mark = null, reason = '', code = '']) => ({
      language,
      mark,
      reason,
      text: code,
    }),
  );
  return { name, text, blocks, prose: text.replaceAll(FENCED, '') };
}

/** The README, getting started, and the other pages by name: later ones use runs of the first. */
export function userPages(): Page[] {
  const first = ['README.md', 'docs/getting-started.md'];
  const others = readdirSync(path.join(ROOT, 'docs'))
    // The home of the site, which the README is for the repository.
    .filter((name) => name.endsWith('.md') && name !== 'index.md')
    .map((name) => `docs/${name}`)
    .filter((name) => !first.includes(name));
  return [...first, ...others.toSorted()].map(readPage);
}
