import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { readPage, ROOT } from './pages.js';

const source = (file: string) => readFileSync(path.join(ROOT, 'src', file), 'utf8');
const keysOf = (body: string) =>
  [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, key = '']) => key);

describe('docs/file-formats.md', () => {
  const { text } = readPage('docs/file-formats.md');

  it('names every key of every event', () => {
    const interfaces = source('training/events.ts').matchAll(/interface \w+Event \{\n([^]*?)^\}/gm);
    const events = [...interfaces].map(([, body = '']) => ({
      type: /readonly type: '(\w+)'/.exec(body)?.[1] ?? '',
      keys: keysOf(body).filter((key) => key !== 'type'),
    }));
    assert.ok(events.length >= 6);
    for (const { type, keys } of events) {
      const row = text.split('\n').find((line) => line.startsWith(`| \`${type}\` |`)) ?? '';
      const missing = keys.filter((key) => !row.includes(`\`${key}\``));
      assert.deepEqual(missing, [], type);
    }
  });

  it('names every key of a machine file', () => {
    const machine = /interface Machine \{\n([^]*?)^\}/m.exec(source('machine/machine.ts'))?.[1];
    const keys = keysOf(machine ?? '');
    assert.ok(keys.length >= 8);
    assert.deepEqual(
      keys.filter((key) => !text.includes(`\`${key}\``)),
      [],
    );
  });
});

it('docs/troubleshooting.md quotes what the program says', () => {
  const files = readdirSync(path.join(ROOT, 'src'), { recursive: true }) as string[];
  const code = files
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    // Long messages are put together from pieces.
    .map((file) => source(file).replaceAll(/['`"] \+\s+['`"]/g, ''))
    .join('\n');
  const rows = readPage('docs/troubleshooting.md').text.matchAll(/^\| (.*?) \| .*? \|$/gm);
  const quoted = [...rows].flatMap(([, seen = '']) =>
    [...seen.matchAll(/`([^`]+)`/g)].map(([, quote = '']) => quote),
  );
  const pieces = quoted
    .flatMap((quote) => quote.split('…'))
    .map((piece) => piece.replace(/^[;:,]? /, '').trim());
  const messages = pieces.filter((piece) => piece.includes(' ') && !piece.startsWith('npx'));
  assert.ok(messages.length > 15);
  assert.deepEqual(
    messages.filter((message) => !code.includes(message)),
    [],
  );
});
