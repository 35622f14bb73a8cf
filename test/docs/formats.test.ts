import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
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
