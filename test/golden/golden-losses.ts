import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { blasAvailable } from '#src/app/ranks/engines.js';
import { train } from '#src/app/train/train.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { losses, temporaryFolder } from '../support/files.js';
import { GOLDEN_SETTINGS } from './settings.js';

// To write the golden file anew after a change that is meant to alter the numbers:
// UPDATE_GOLDEN=1 npm test -- golden/losses
const FILE = new URL('../../../test/golden/losses.json', import.meta.url);
/** Losses and, last, the validation loss of each variant. */
export const golden = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, number[]>;

/** What is golden, by name: strategies, and what changes the numbers of phantom. */
export const VARIANTS: Readonly<Record<string, Partial<TrainingSettings>>> = {
  phantom: { strategy: 'phantom' },
  tensor: { strategy: 'tensor' },
  'tensor-paired': { strategy: 'tensor-paired' },
  'phantom in bfloat16': { ghostPrecision: 'bfloat16' },
  'phantom in int8': { ghostPrecision: 'int8' },
  'phantom computed in bfloat16': { compute: 'bfloat16' },
  'tensor computed in bfloat16': { compute: 'bfloat16', strategy: 'tensor' },
  'tensor-paired computed in bfloat16': { compute: 'bfloat16', strategy: 'tensor-paired' },
  'phantom with tanh on its ghosts': { ghostActivation: 'tanh' },
  'phantom with nested ghosts': { nestedGhosts: true, ghosts: 5 },
};

async function run(
  context: TestContext,
  settings: Partial<TrainingSettings>,
): Promise<readonly number[]> {
  const out = path.join(temporaryFolder(context), 'run');
  const end = await train({ ...GOLDEN_SETTINGS, ...settings, out });
  return [...losses(out), end.validationLoss as number];
}

const skip = !(await blasAvailable()) && 'no BLAS library here';

/** Tests that runs on these numbers of ranks, the same for all engines, have the golden losses. */
export function goldenLosses(ranksOf: (variant: string) => readonly number[]): void {
  for (const [variant, settings] of Object.entries(VARIANTS)) {
    const counts = ranksOf(variant);
    describe(`the first 20 losses and the validation loss of ${variant}`, () => {
      it(`wasm: the golden bits on ${counts.join(', ')} ranks`, async (context) => {
        for (const ranks of counts) {
          const actual = await run(context, { ...settings, ranks, engine: 'wasm' });
          if (process.env['UPDATE_GOLDEN'] === '1') await update(variant, actual);
          assert.deepEqual(actual, golden[variant], `${ranks} ranks`);
        }
      });

      // Libraries differ in how they round, so the bits are compared between numbers of ranks only.
      it(`blas: the same bits on ${counts.join(', ')} ranks`, { skip }, async (context) => {
        const [first = 1, ...others] = counts;
        const expected = await run(context, { ...settings, ranks: first, engine: 'blas' });
        // What lies between two bytes goes to the one or the other: 2⁻⁸ of it at once.
        const tolerance = settings.ghostPrecision === undefined ? 1e-3 : 2e-2;
        // With every operand it grows from step to step: 0.06% after ten, 3.5% after twenty.
        const compared = settings.compute === undefined ? expected.length : 10;
        for (const [i, loss] of expected.slice(0, compared).entries()) {
          const near = golden[variant][i];
          assert.ok(Math.abs(loss - near) < tolerance * near, `loss ${i}: ${loss}, ${near}`);
        }
        for (const ranks of others) {
          const actual = await run(context, { ...settings, ranks, engine: 'blas' });
          assert.deepEqual(actual, expected, `${ranks} ranks`);
        }
      });
    });
  }
}

async function update(variant: string, values: readonly number[]): Promise<void> {
  const { writeFileSync } = await import('node:fs');
  golden[variant] = [...values];
  writeFileSync(FILE, `${JSON.stringify(golden, null, 2)}\n`);
}
