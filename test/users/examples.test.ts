import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const expected: Record<string, RegExp> = {
  'own-layer.js': /layers\.1: 32768 FLOPs and 0 bytes [^]*loss [1-9]\S* → 0\.\d+ in 30 steps\n$/,
  'own-loop.js': /^loss \d\S* → 0\.\d+ in 30 steps\n$/,
  'own-operator.js': /^input 0: largest relative error \d\.\de-\d\n$/,
  'train-on-ranks.js': /tensor: \d\d\.\d% [^]*phantom: \d\d\.\d% /,
};

describe('the examples run as written', () => {
  // The client asks a server: the README's test runs it.
  const scripts = readdirSync(`${ROOT}/examples`).filter(
    (name) => name.endsWith('.js') && name !== 'client.js',
  );
  for (const name of scripts) {
    it(name, () => {
      const run = spawnSync(process.execPath, [`examples/${name}`], {
        cwd: ROOT,
        encoding: 'utf8',
      });
      assert.equal(run.stderr, '');
      assert.equal(run.status, 0);
      assert.match(run.stdout, expected[name] ?? /./);
    });
  }
});
