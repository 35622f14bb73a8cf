import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { isRunning, thisProcess } from './process-identity.js';

test('a process runs while it does; one with another start, or an impossible number, does not', () => {
  const here = thisProcess();
  assert.equal(isRunning(here), true);
  const ended = spawnSync(process.execPath, ['-e', '']).pid;
  for (const pid of [ended, 1.5, 2 ** 40, Number.NaN]) {
    assert.equal(isRunning({ ...here, pid, start: null }), false, String(pid));
  }
  if (here.start !== null) assert.equal(isRunning({ ...here, start: '0' }), false);
  assert.equal(isRunning({ ...here, host: 'elsewhere' }), null);
});
