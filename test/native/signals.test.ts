// Signals that arrive while oneDNN multiplies: its kernels keep the stack pointer in memory from the heap.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { probeBlas } from '#src/native/blas.js';

const { candidates } = await probeBlas();
const oneDnn = candidates.find(({ usable, detail }) => usable && detail.includes('oneDNN'));
const required = process.env['PHANTOM_REQUIRE_NATIVE'] === '1';
const skip =
  process.platform !== 'linux' || (oneDnn === undefined && !required) ? 'no oneDNN here' : false;

const PROGRAM = fileURLToPath(new URL('./products.js', import.meta.url));

describe('a profiler, which samples by signals', { skip }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'signals-'));
  after(() => rmSync(folder, { recursive: true }));

  for (const thread of ['main', 'rank']) {
    it(`leaves the memory of products on the ${thread} thread as it is`, () => {
      const profile = ['--cpu-prof', '--cpu-prof-interval=100', `--cpu-prof-dir=${folder}`];
      const { status, signal, stdout, stderr } = spawnSync(
        process.execPath,
        [...profile, PROGRAM, thread, oneDnn?.path ?? ''],
        { encoding: 'utf8' },
      );
      assert.deepEqual([status, signal, stdout], [0, null, 'done\n'], stderr);
    });
  }
});
