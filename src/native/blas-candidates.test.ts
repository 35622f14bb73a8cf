import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linuxCandidates } from './blas-candidates.js';

const cpuInfo = (flags: string) => `processor\t: 0\nflags\t\t: fpu sse2 ${flags} fma\nbugs\t\t:\n`;

test('oneDNN comes first where the processor has AVX-512, and after tuned libraries elsewhere', () => {
  const [wide, narrow] = [cpuInfo('avx2 avx512f'), cpuInfo('avx2')].map((text) =>
    linuxCandidates('x64', text),
  );
  assert.equal(wide?.[0], 'libdnnl.so.3');
  assert.equal(narrow?.[0], 'libopenblas.so.0');
  assert.deepEqual(narrow?.toSorted(), wide?.toSorted(), 'the same libraries');
  const at = (name: string) => narrow?.indexOf(name) ?? -1;
  assert.ok(at('libdnnl.so.3') < at('libblas.so.3'), 'plain code may be behind the last names');
  assert.ok(at('libblis.so') < at('libdnnl.so.3'));
});

test('on other processors oneDNN is left out, whatever they say of themselves', () => {
  assert.ok(!linuxCandidates('arm64', cpuInfo('avx512f')).includes('libdnnl.so.3'));
  assert.equal(linuxCandidates('arm64', '')[0], 'libopenblas.so.0');
});
