import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';
import { ROOT } from './pages.js';

it('settings, commands and pictures in docs/ are those of the code', () => {
  const check = spawnSync(process.execPath, ['scripts/generate.js', '--check', 'docs'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  assert.equal(check.stderr, '');
  assert.equal(check.status, 0);
});
