import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KOFFI_PACKAGE } from '../ranks/probes.js';
import { adviceFor } from './machine-report.js';

/** Advice for rates in GFLOP/s; 0: not there. */
function advice(
  blas: number,
  wasm: number,
  relaxed: number,
  koffi = true,
  nodeLacks: number | null = null,
): string[] {
  const engine = (name: string, rate: number) => ({
    name,
    available: rate > 0,
    detail: '',
    flopsPerS: rate > 0 ? rate * 1e9 : null,
  });
  return adviceFor({
    engines: [engine('blas', blas), engine('wasm', wasm), engine('wasm --relaxed-simd', relaxed)],
    auto: blas > 0 ? 'blas' : 'wasm',
    probe: { candidates: [], remedy: 'install a library' },
    koffi,
    nodeLacks,
  }).map(({ how }) => how);
}

test('a machine with a fast library needs nothing', () => {
  assert.deepEqual(advice(90, 30, 40), []);
});

test('without a library it is named how to get one, and what helps until then', () => {
  assert.deepEqual(advice(0, 30, 40), [
    'install a library',
    'npx phantom-parallel train --relaxed-simd',
  ]);
  assert.deepEqual(advice(0, 30, 31), ['install a library'], 'a gain within the noise is none');
});

test('without koffi no library can be called', () => {
  assert.deepEqual(advice(0, 30, 0, false), [`npm install ${KOFFI_PACKAGE}`, 'install a library']);
});

test('a newer Node is named where kernels multiply', () => {
  assert.deepEqual(advice(0, 30, 30, true, 24), ['install a library', 'Node 24 or newer']);
  assert.deepEqual(advice(90, 30, 30, true, 24), [], 'a library multiplies');
});

test('a library slower than WebAssembly is worth another', () => {
  assert.match(advice(3, 30, 40)[0] ?? '', /^--engine wasm, or a faster library: install/);
});
