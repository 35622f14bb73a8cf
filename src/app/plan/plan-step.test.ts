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

it('says that products in a format that the machine file has no times of are timed as float32', async () => {
  const notesOf = async (compute: 'float32' | 'tf32' | 'bfloat16') =>
    (await plan({ width: 64, blocks: 2, ghosts: 2, machine: 'a100', compute })).notes.filter(
      (note) => note.includes('timed as float32'),
    );
  const rest = 'are timed as float32 ones: the machine file has none of theirs';
  assert.deepEqual(await notesOf('float32'), []);
  assert.deepEqual(await notesOf('tf32'), [`products in tf32 ${rest}`]);
  assert.deepEqual(await notesOf('bfloat16'), [`products and passes in bfloat16 ${rest}`]);
});
