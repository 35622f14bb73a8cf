import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { type Page, readPage, ROOT, userPages } from './pages.js';

function readmes(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder))
    .map((name) => `${folder}/${name}/README.md`)
    .filter((name) => existsSync(path.join(ROOT, name)));
}

const pages = [
  ...userPages(),
  ...['ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].map(readPage),
  ...[...readmes('experiments'), ...readmes('datasets')].map(readPage),
];

const ROOMS = new Set(readdirSync(path.join(ROOT, 'src')));
const TOP = new Set([
  ...['src', 'test', 'bench', 'docs', 'examples', 'experiments', 'datasets', 'machines'],
  ...['schemas', 'scripts', 'kernels', '.ci'],
]);
/** Folders that a command of the page makes; `runs/` is also one of them. */
const MADE = new Set(['docs/dist', 'checkpoints/best']);
const SOURCES = new Set(
  (readdirSync(path.join(ROOT, 'src'), { recursive: true }) as string[]).map((name) =>
    path.basename(name),
  ),
);

/** Whether there is such a path; a part in angle brackets stands for every name. */
function exists(named: string): boolean {
  const [before, after] = named.split(/<\w+>/);
  if (before === undefined || after === undefined) return existsSync(path.join(ROOT, named));
  const folder = path.join(ROOT, before);
  if (!existsSync(folder)) return false;
  return readdirSync(folder, { withFileTypes: true }).some(
    (entry) => entry.isDirectory() && existsSync(path.join(folder, entry.name, after)),
  );
}

/** The paths that a page names in backquotes: from the root, from `src/`, from the page's own folder,
 * or a source file alone. */
function missingPaths({ name, text }: Page): string[] {
  const named = [...text.matchAll(/`([\w.<>/-]+)`/g)].map(([, token = '']) => token);
  return named.filter((token) => {
    const [first = ''] = token.split('/');
    const isSource = token.endsWith('.ts');
    if (!isSource && !(token.includes('/') && (TOP.has(first) || ROOMS.has(first)))) return false;
    const made = MADE.has(token) || (token.startsWith('runs/') && !isSource);
    if (made || (!token.includes('/') && SOURCES.has(token))) return false;
    return ![token, `src/${token}`, path.join(path.dirname(name), token)].some(exists);
  });
}

/** As GitHub makes anchors of headings. */
function anchors({ prose }: Page): string[] {
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function brokenLinks({ name, text }: Page): string[] {
  const links = [
    ...text.matchAll(/\]\(([^)\s]+)\)/g),
    ...text.matchAll(/(?:src|srcset)="([^"]+)"/g),
  ].map(([, target = '']) => target);
  return links.filter((target) => {
    if (/^https?:/.test(target)) return false;
    const [file = '', anchor] = target.split('#');
    const found = file === '' ? name : path.join(path.dirname(name), file);
    if (!existsSync(path.join(ROOT, found))) return true;
    return anchor !== undefined && !anchors(readPage(found)).includes(anchor);
  });
}

describe('what is written about the repository', () => {
  it('names paths that there are', () => {
    const missing = pages.flatMap((page) =>
      missingPaths(page).map((named) => `${page.name}: ${named}`),
    );
    assert.deepEqual(missing, []);
  });

  it('has every room in ARCHITECTURE.md', () => {
    const { text } = readPage('ARCHITECTURE.md');
    const folders = (parent: string): string[] =>
      readdirSync(path.join(ROOT, 'src', parent), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => `${parent}${name}/`);
    const rooms = [...folders('').filter((room) => room !== 'app/'), ...folders('app/')];
    assert.deepEqual(
      rooms.filter((room) => !text.includes(`\`${room}\``)),
      [],
    );
  });

  it('links to files and headings that there are', () => {
    const broken = pages.flatMap((page) =>
      brokenLinks(page).map((target) => `${page.name}: ${target}`),
    );
    assert.deepEqual(broken, []);
    assert.ok(pages.flatMap(({ text }) => text.match(/\]\(/g) ?? []).length > 50);
  });

  it('names every page of docs/ in the README, which has at most 900 words', () => {
    const [readme, ...others] = userPages();
    assert.ok(readme);
    for (const { name } of others) assert.ok(readme.text.includes(`(${name})`), name);
    const words = readme.text.split(/\s+/).filter((word) => word !== '').length;
    assert.ok(words <= 900, `${words} words`);
  });
});
