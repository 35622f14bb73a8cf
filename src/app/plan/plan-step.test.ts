import assert from 'node:assert/strict';
import { it } from 'node:test';
import { STRATEGY_NAMES } from '../../layers/strategies.js';
import { ghostPrecisionOf } from '../../model/specification.js';
import type { GivenSettings } from '../../settings/given.js';
import { resolveSettings } from '../../settings/resolve.js';
import { plan, shapeOf } from './plan-step.js';

const CASES: [GivenSettings, string[]][] = [
  [{ compute: 'bfloat16' }, ['bfloat16', 'float32', 'float32']],
  [{ ghostPrecision: 'int8' }, ['int8', 'float32', 'float32']],
  [{}, ['float32', 'float32', 'float32']],
];

for (const [given, expected] of CASES) {
  it(`takes settings of phantom to every strategy: ${JSON.stringify(given)}`, () => {
    const settings = resolveSettings([{ where: 'flags', settings: given }]);
    const precisions = STRATEGY_NAMES.map((strategy) => {
      const place = { strategy, ranks: null, ends: { kind: 'sharded' } } as const;
      const { specification } = shapeOf(settings, place);
      assert.equal(specification.compute, given.compute);
      return ghostPrecisionOf(specification);
    });
    assert.deepEqual(precisions, expected);
  });
}

it('says that products in a format that the machine file has no figures of are timed as float32', async () => {
  const found = async (machine: string, compute: 'float32' | 'tf32' | 'bfloat16') => {
    const settings = { width: 65_536, blocks: 2, ghosts: 2, batch: 1024, machine, compute };
    const { notes, time } = await plan(settings);
    return {
      notes: notes.filter((note) => note.includes('timed as float32')),
      localS: time?.products.local ?? Number.NaN,
    };
  };
  const whole = await found('a100', 'float32');
  assert.deepEqual(whole.notes, []);
  // 19.5, 156 and 312 TFLOP/s.
  for (const [compute, times] of [
    ['tf32', 8],
    ['bfloat16', 16],
  ] as const) {
    const other = await found('a100', compute);
    assert.deepEqual(other.notes, []);
    assert.ok(Math.abs((times * other.localS) / whole.localS - 1) < 1e-9);
  }
  assert.deepEqual((await found('mi250x', 'tf32')).notes, [
    'products in tf32 are timed as float32 ones: its data sheet gives no peak of theirs',
  ]);
});
