import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { hasAvx2, newerNode, widensKernels } from './kernel-module.js';

test('AVX2 is looked for in whole lines of flags', () => {
  assert.equal(hasAvx2('processor\t: 0\nflags\t\t: fpu avx avx2 fma\nbugs\t\t: none\n'), true);
  assert.equal(hasAvx2('processor\t: 0\nflags\t\t: fpu avx avx2x\n'), false);
  assert.equal(hasAvx2('processor\t: 0\nflags\t\t: fpu avx'), null, 'the line goes on');
  assert.equal(hasAvx2(''), null);
});

test('kernels are widened, or a newer Node would widen them, or neither', () => {
  assert.ok(!widensKernels() || newerNode() === null);
});

test('flags of V8 are left as they are where somebody wants that', () => {
  const module = new URL('kernel-module.js', import.meta.url).href;
  const engine = new URL('wasm-engine.js', import.meta.url).href;
  const script =
    `const { widensKernels } = await import('${module}');` +
    `const { createWasmEngine } = await import('${engine}');` +
    'process.stdout.write(`${widensKernels()} ${createWasmEngine().description}`)';
  const env = { ...process.env, PHANTOM_V8_FLAGS: 'none' };
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { env });
  assert.equal(String(said), 'false WebAssembly SIMD');
});
