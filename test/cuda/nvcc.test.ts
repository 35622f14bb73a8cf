// The kernels' source, compiled for the devices that it is meant for, where the toolkit's compiler is
// installed. Nothing of it is run.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { kernelSource } from '#src/engines/cuda/compile.js';
import { KERNELS } from '#src/engines/cuda/kernel-launcher.js';

const required = process.env['PHANTOM_REQUIRE_NVCC'] === '1';
const missing = spawnSync('nvcc', ['--version']).status !== 0;
const skip = missing && !required ? 'no nvcc' : false;

test('the kernels compile for compute capability 7.5, 8.0 and 9.0, in registers', { skip }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'nvcc-'));
  try {
    const source = path.join(folder, 'kernels.cu');
    writeFileSync(source, kernelSource());
    const code = ['75', '80', '90'].flatMap((one) => [
      '-gencode',
      `arch=compute_${one},code=sm_${one}`,
    ]);
    const made = path.join(folder, 'kernels.fatbin');
    const args = [
      '-fatbin',
      ...code,
      '-Werror',
      'all-warnings',
      '-Xptxas',
      '-v',
      source,
      '-o',
      made,
    ];
    const { status, stdout, stderr } = spawnSync('nvcc', args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const spills = [...`${stdout}${stderr}`.matchAll(/(\d+) bytes spill/g)].map(
      ([, bytes]) => bytes,
    );
    assert.ok(spills.length >= 3 * KERNELS.length, stderr);
    assert.deepEqual([...new Set(spills)], ['0']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('every kernel that is launched is in the source, and every one in the source is launched', () => {
  const found = [...kernelSource().matchAll(/^KERNEL\((\w+)\)/gm)].map(([, name]) => name);
  assert.deepEqual(found.toSorted(), [...KERNELS].toSorted());
});
