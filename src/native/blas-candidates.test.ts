import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linuxCandidates, partnerPaths, transposingCandidates } from './blas-candidates.js';

test('oneDNN comes first on x86 and is left out elsewhere; what may be plain code comes last', () => {
  const [x86, arm] = [linuxCandidates('x64'), linuxCandidates('arm64')];
  assert.equal(x86[0], 'libdnnl.so.3');
  assert.equal(arm[0], 'libopenblas.so.0');
  assert.ok(!arm.some((name) => name.includes('dnnl')));
  assert.equal(x86.at(-1), 'libblas.so.3');
});

test('another library is taken beside oneDNN where there is no AVX-512', () => {
  const cpuInfo = (flags: string) => `flags\t\t: fpu sse2 ${flags} fma\nbugs\t\t:\n`;
  assert.deepEqual(transposingCandidates(cpuInfo('avx2 avx512f')), []);
  const others = transposingCandidates(cpuInfo('avx2'));
  assert.equal(others[0], 'libopenblas.so.0');
  assert.ok(!others.some((name) => name.includes('dnnl') || name === 'libblas.so.3'));
});

test('a library that was named is the only one', () => {
  assert.deepEqual(partnerPaths('libdnnl.so.2'), []);
});
