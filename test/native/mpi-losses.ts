import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { it, type TestContext } from 'node:test';
import { train } from '#src/app/train/train.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { golden, VARIANTS } from '../golden/golden-losses.js';
import { GOLDEN_SETTINGS } from '../golden/settings.js';
import { losses, readMetrics, temporaryFolder } from '../support/files.js';
import { type Mpirun, PHANTOM, runMpi } from '../support/mpi.js';

/** The command whose settings `configured` has written. */
export const TRAIN = ['train', 'config.json', '--out', 'run'];

/** A folder with a config file of the golden run. */
export function configured(context: TestContext, changes: object = {}) {
  const cwd = temporaryFolder(context);
  const settings = { ...GOLDEN_SETTINGS, engine: 'wasm', ...changes };
  writeFileSync(path.join(cwd, 'config.json'), JSON.stringify(settings));
  return { cwd, out: path.join(cwd, 'run') };
}

/** Tests that golden runs on these numbers of processes have the golden bits. */
export function goldenUnder(
  mpirun: Mpirun,
  runs: readonly (readonly [variant: string, ranks: readonly number[]])[],
): void {
  for (const [variant, ranks] of runs.flatMap(([name, counts]) =>
    counts.map((count) => [name, count] as const),
  )) {
    it(`${variant} on ${ranks} ranks: the golden bits, printed once`, async (context) => {
      const { cwd, out } = configured(context, VARIANTS[variant]);
      const { code, stdout, stderr } = await runMpi(mpirun, ranks, PHANTOM, TRAIN, { cwd });
      assert.equal(code, 0, stderr);
      const end = readMetrics(out).at(-1);
      assert.deepEqual([...losses(out), end?.['validationLoss']], golden[variant]);
      assert.equal(stdout.match(/Finished after 20 steps/g)?.length, 1);
      assert.match(stdout, new RegExp(`^machine +${ranks} process(es)?, ${mpirun.family}`, 'm'));
    });
  }
}

/** The losses of a golden run, changed, on this MPI, and of the same one on threads. */
export async function both(
  mpirun: Mpirun,
  context: TestContext,
  changes: Partial<TrainingSettings>,
) {
  const { cwd, out } = configured(context, changes);
  const size = (changes.replicas ?? 1) * (changes.ranks ?? 1);
  const { code, stderr } = await runMpi(mpirun, size, PHANTOM, TRAIN, { cwd });
  assert.equal(code, 0, stderr);
  const threads = path.join(cwd, 'threads');
  await train({ ...GOLDEN_SETTINGS, engine: 'wasm', ...changes, out: threads });
  return { mpi: losses(out), threads: losses(threads) };
}
