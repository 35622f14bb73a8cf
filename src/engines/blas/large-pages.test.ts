import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { it } from 'node:test';
import { NativeError } from '../../base/errors.js';
import { addressOf } from '../../native/library.js';
import { hostView } from '../../tensor/tensor.js';
import { createBlasEngine } from './blas-engine.js';

/** What the system knows of the mapping that an address is in: `hg` where large pages were asked for. */
function flagsAt(address: number): string[] {
  const found = /^([\da-f]+)-([\da-f]+) [^]*?^VmFlags: (.*)$/gm;
  for (const [, from = '', to = '', flags = ''] of readFileSync(
    '/proc/self/smaps',
    'utf8',
  ).matchAll(found)) {
    if (Number.parseInt(from, 16) <= address && address < Number.parseInt(to, 16)) {
      return flags.trim().split(' ');
    }
  }
  return [];
}

const none = existsSync('/sys/kernel/mm/transparent_hugepage/enabled')
  ? null
  : 'this system has no transparent large pages';

/** Null: there is no BLAS library here, and none has to be. */
function onlyNative(error: unknown): null {
  if (error instanceof NativeError && !process.env['PHANTOM_REQUIRE_NATIVE']) return null;
  throw error;
}

it(
  'asks for large pages where large tensors lie, and there alone',
  {
    skip: none ?? false,
  },
  async (context) => {
    const engine = await createBlasEngine().catch(onlyNative);
    if (engine === null) return context.skip('no BLAS library');
    const before = engine.allocate([1024]);
    const half = engine.allocate([3, 1024, 1024], 'bfloat16');
    const whole = engine.allocate([1 << 20]);
    const view = hostView(before);
    assert.ok(view);
    const base = await addressOf(view.buffer);
    assert.ok(!flagsAt(base).includes('hg'), 'what kernels keep for themselves');
    for (const { byteOffset, length } of [half, whole]) {
      for (const at of [0, length]) {
        assert.ok(flagsAt(base + byteOffset + at).includes('hg'), `${byteOffset} + ${at}`);
      }
    }
    engine.close();
  },
);
