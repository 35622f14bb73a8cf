// Runs with the CUDA engine on the stand-in for CUDA's libraries, held against the golden losses.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, type TestContext } from 'node:test';

import { train } from '#src/app/train/train.js';
import { openLibrary } from '#src/native/library.js';
import type { TrainingSettings } from '#src/settings/settings.js';

import { fakeCuda } from '../fakes/cuda/build.js';
import { golden, VARIANTS } from '../golden/golden-losses.js';
import { GOLDEN_SETTINGS } from '../golden/settings.js';
import { losses, temporaryFolder } from '../support/files.js';

export const STEPS = 4;

/** Lets processes and ranks find the stand-in, with two devices, until the suite has ended. */
export function withFakeCuda(): void {
  const variables = { ...fakeCuda(), FAKE_CUDA_DEVICES: '2' };
  Object.assign(process.env, variables);
  after(() => {
    for (const name of [...Object.keys(variables), 'FAKE_CUDA_FAIL']) delete process.env[name];
  });
}

/** How often a call of the stand-in has been made in this process. */
export async function callsOfFakeCuda(): Promise<(name: string) => number> {
  const { PHANTOM_CUDA } = fakeCuda();
  const find = (await openLibrary(PHANTOM_CUDA)).find('fakeCudaCalls', 'long', ['str']);
  return (name) => Number(find?.(name));
}

/** What the stand-in's libraries have made in this process and not been given back. */
export async function madeByFakeCuda(): Promise<number> {
  const { PHANTOM_CUDA } = fakeCuda();
  return Number((await openLibrary(PHANTOM_CUDA)).find('fakeCudaMade', 'long', [])?.());
}

/** Of a run of the first steps of what is golden. */
export function settings(
  out: string,
  others: Partial<TrainingSettings>,
): Partial<TrainingSettings> {
  const few = { engine: 'cuda', steps: STEPS, validateEvery: STEPS } as const;
  return { ...GOLDEN_SETTINGS, ...few, meter: 'none', out, ...others };
}

/** The losses of a variant on so many ranks. */
export async function lossesOf(context: TestContext, variant: string, ranks: number) {
  const out = path.join(temporaryFolder(context), 'run');
  await train(settings(out, { ...VARIANTS[variant], ranks }));
  return losses(out);
}

export function assertGolden(variant: string, actual: readonly number[]): void {
  assert.equal(actual.length, STEPS);
  // Sums in another order; what is rounded to 16 bits or less may go to either of two neighbors.
  const tolerance = /bfloat16|int8/.test(variant) ? 2e-2 : 1e-5;
  for (const [i, loss] of actual.entries()) {
    const near = golden[variant][i];
    assert.ok(Math.abs(loss - near) < tolerance * near, `${variant}, loss ${i}: ${loss}, ${near}`);
  }
}

/** A network of everything else has the losses that `wasm` has, but for sums in another order. */
export async function assertLossesOfWasm(context: TestContext): Promise<void> {
  const of = async (engine: 'wasm' | 'cuda') => {
    const out = path.join(temporaryFolder(context), engine);
    const residual = { architecture: 'residual', norm: 'rms', gated: true } as const;
    await train(settings(out, { ...residual, engine, dropout: 0.1, clipNorm: 1, ranks: 2 }));
    return losses(out);
  };
  const expected = await of('wasm');
  for (const [i, loss] of (await of('cuda')).entries()) {
    const near = expected[i];
    assert.ok(Math.abs(loss - near) < 1e-5 * near, `loss ${i}: ${loss}, ${near}`);
  }
}
