import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Process, invocation, quoteWord } from './invocation.js';

const started = (script: string, env: Process['env'] = { PATH: '/usr/bin:/opt/bin' }) =>
  invocation({ argv: ['/usr/bin/node', script], env, cwd: () => '/home/me/my work' });

test('the command is named as it was started', () => {
  const local = '/home/me/my work/node_modules/.bin';
  const npm = { PATH: `${local}:/usr/bin`, npm_command: 'exec' };
  assert.equal(started('/opt/bin/phantom'), 'phantom');
  assert.equal(started('/opt/bin/phantom-parallel'), 'phantom-parallel');
  assert.equal(started(`${local}/phantom`, npm), 'npx phantom-parallel');
  assert.equal(started(`${local}/phantom`), 'node_modules/.bin/phantom');
  assert.equal(started('/elsewhere/phantom'), '/elsewhere/phantom');
  assert.equal(started('/home/me/my work/dist/cli/main.js'), 'node dist/cli/main.js');
  assert.equal(started('/home/me/my work/phantom'), './phantom');
  assert.equal(started("/it's/dist/cli/main.js"), String.raw`node '/it'\''s/dist/cli/main.js'`);
  assert.equal(started('/home/me/script.js'), 'npx phantom-parallel');
  assert.equal(invocation({ argv: [], env: {}, cwd: () => '/' }), 'npx phantom-parallel');
});

test('words are quoted where a shell needs it', () => {
  assert.equal(quoteWord('runs/2026-a_b=c:d,e@f%g+h'), 'runs/2026-a_b=c:d,e@f%g+h');
  for (const [word, quoted] of [
    ['', "''"],
    ['my runs/a', "'my runs/a'"],
    ['synthetic:teacher?widths=8', "'synthetic:teacher?widths=8'"],
    ["it's", String.raw`'it'\''s'`],
    ['$HOME', "'$HOME'"],
  ] as const) {
    assert.equal(quoteWord(word), quoted);
  }
});
