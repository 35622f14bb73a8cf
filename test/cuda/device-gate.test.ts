// Tests on a GPU fail where there has to be one and is none; on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { fakeCuda, reasonToSkipFakeCuda } from '../fakes/cuda/build.js';

const file = fileURLToPath(new URL('device.test.js', import.meta.url));

/** Runs the tests on a GPU whose names have this in them. */
function run(variables: NodeJS.ProcessEnv, names = '.') {
  const env: NodeJS.ProcessEnv = { ...process.env, PHANTOM_REQUIRE_GPU: '', ...variables };
  // Else the runner would report to that of this test.
  delete env['NODE_TEST_CONTEXT'];
  const options = ['--test-reporter', 'tap', '--test-name-pattern', names];
  const args = ['--import', './scripts/test-setup.js', ...options, file];
  const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  return { status, output: stdout };
}
const passed = (output: string) => Number(/^# pass (\d+)$/m.exec(output)?.[1]);

describe('tests on a GPU', () => {
  test('are skipped with the reason where there is none', () => {
    const { status, output } = run({ PHANTOM_CUDA: 'none' });
    assert.equal(status, 0, output);
    assert.match(output, /# SKIP no GPU that can be used: \[cuda\] hidden by the environment/);
    assert.equal(passed(output), 0, output);
  });
  test('fail where there is none and PHANTOM_REQUIRE_GPU is 1', () => {
    const { status, output } = run(
      { PHANTOM_CUDA: 'none', PHANTOM_REQUIRE_GPU: '1' },
      'has a name',
    );
    assert.equal(status, 1, output);
    assert.match(output, /\[cuda\] hidden by the environment/);
    assert.doesNotMatch(output, /# SKIP no GPU/);
  });
  const skip = reasonToSkipFakeCuda() ?? false;
  test('run where there is one', { skip }, () => {
    for (const required of ['', '1']) {
      const { status, output } = run(
        { ...fakeCuda(), PHANTOM_REQUIRE_GPU: required },
        'has a name',
      );
      assert.equal(status, 0, output);
      assert.equal(passed(output), 1, output);
    }
  });
});
