import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { blasAvailable, type Strategy, train, type TrainingSettings } from 'phantom-parallel';
import { losses, temporaryFolder } from '../support/files.js';
import { GOLDEN_SETTINGS } from './settings.js';

// To write the golden file anew after a change that is meant to alter the numbers:
// UPDATE_GOLDEN=1 npm test -- golden/losses
const FILE = new URL('../../../test/golden/losses.json', import.meta.url);
const golden = JSON.parse(readFileSync(FILE, 'utf8')) as Record<Strategy, number[]>;

async function run(
  context: TestContext,
  settings: Partial<TrainingSettings>,
): Promise<readonly number[]> {
  const out = path.join(temporaryFolder(context), 'run');
  const end = await train({ ...GOLDEN_SETTINGS, ...settings, out });
  return [...losses(out), end.validationLoss as number];
}

const skip = !(await blasAvailable()) && 'no BLAS library here';

for (const strategy of ['phantom', 'tensor', 'tensor-paired'] as const) {
  describe(`the first 20 losses and the validation loss of ${strategy}`, () => {
    it('wasm: the golden bits on 1, 2, 4 and 8 ranks', async (context) => {
      for (const ranks of [1, 2, 4, 8]) {
        const actual = await run(context, { strategy, ranks, engine: 'wasm' });
        if (process.env['UPDATE_GOLDEN'] === '1') await update(strategy, actual);
        assert.deepEqual(actual, golden[strategy], `${ranks} ranks`);
      }
    });

    // Libraries differ in how they round, so the bits are compared between numbers of ranks only.
    it('blas: the same bits on 1, 2, 4 and 8 ranks', { skip }, async (context) => {
      const solo = await run(context, { strategy, ranks: 1, engine: 'blas' });
      for (const [i, loss] of solo.entries()) {
        const expected = golden[strategy][i];
        assert.ok(Math.abs(loss - expected) < 1e-3 * expected, `loss ${i}: ${loss}, ${expected}`);
      }
      for (const ranks of [2, 4, 8]) {
        const actual = await run(context, { strategy, ranks, engine: 'blas' });
        assert.deepEqual(actual, solo, `${ranks} ranks`);
      }
    });
  });
}

async function update(strategy: Strategy, values: readonly number[]): Promise<void> {
  const { writeFileSync } = await import('node:fs');
  golden[strategy] = [...values];
  writeFileSync(FILE, `${JSON.stringify(golden, null, 2)}\n`);
}
