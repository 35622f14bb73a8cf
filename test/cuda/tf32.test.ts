// Products in TF32, on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';

import { createEngine } from '#src/app/ranks/engines.js';
import { evaluate } from '#src/app/evaluate/evaluate-run.js';
import { train } from '#src/app/train/train.js';
import { UnsupportedError } from '#src/base/errors.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import type { Engine } from '#src/engines/engine.js';
import { asMatrix, bytesOf } from '#src/tensor/tensor.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { losses, readMetrics, temporaryFolder } from '../support/files.js';
import { settings, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();
/** Needs 13 bits: TF32 keeps 11 of them. */
const LONG = 1 + 2 ** -12;

/** LONG · 1, by a product of float32 or bfloat16 tensors. */
function productOf(engine: Engine, dtype: 'float32' | 'bfloat16'): number | undefined {
  const [a, c] = [engine.allocate([1, 1]), engine.allocate([1, 1])];
  const one = engine.allocate([1, 1], dtype);
  const operand = engine.allocate([1, 1], dtype);
  for (const [to, value] of [
    [one, 1],
    [operand, LONG],
  ] as const) {
    engine.fill(a, value);
    if (to.dtype === 'float32') engine.copy(a, to);
    else engine.encodeRows('bfloat16', a, bytesOf(to));
  }
  engine.gemm(false, false, 1, asMatrix(operand), asMatrix(one), 0, asMatrix(c));
  return engine.toHost(c)[0];
}

const refused = (message: RegExp) => (error: unknown) =>
  error instanceof UnsupportedError && message.test(error.message);

it('is refused by engines of the processor', async () => {
  for (const engine of ['wasm', 'blas', 'auto'] as const) {
    await assert.rejects(
      createEngine(engine, { compute: 'tf32' }),
      refused(/tf32 is of CUDA devices alone, and the engine is .*; choose engine cuda, or/),
    );
  }
});

describe('products in TF32', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();

  it('are made where they are asked for, of float32 tensors', async () => {
    const [strict, tf32] = [await createCudaEngine(), await createCudaEngine({ tf32: true })];
    assert.equal(productOf(strict, 'float32'), LONG);
    assert.equal(productOf(tf32, 'float32'), 1);
    assert.equal(productOf(tf32, 'bfloat16'), productOf(strict, 'bfloat16'));
    strict.close();
    tf32.close();
  });

  it('are refused where there are none, or a variable decides otherwise', async () => {
    process.env['FAKE_CUDA_CAPABILITY'] = '75';
    await assert.rejects(createCudaEngine({ tf32: true }), refused(/7\.5; TF32 needs 8\.0/));
    (await createCudaEngine()).close();
    delete process.env['FAKE_CUDA_CAPABILITY'];
    process.env['NVIDIA_TF32_OVERRIDE'] = '0';
    await assert.rejects(createCudaEngine({ tf32: true }), refused(/would not be.*unset it/));
    process.env['NVIDIA_TF32_OVERRIDE'] = '1';
    (await createCudaEngine({ tf32: true })).close();
    delete process.env['NVIDIA_TF32_OVERRIDE'];
  });

  it('train, said in the first line; other engines take the run in float32', async (context) => {
    const folder = temporaryFolder(context);
    const of = async (compute: 'float32' | 'tf32') => {
      const out = path.join(folder, compute);
      await train(settings(out, { compute, ranks: 1 }));
      return { out, losses: losses(out) };
    };
    const [strict, tf32] = [await of('float32'), await of('tf32')];
    assert.notDeepEqual(tf32.losses, strict.losses);
    for (const [i, loss] of tf32.losses.entries()) {
      const near = strict.losses[i];
      assert.ok(Math.abs(loss - near) < 1e-2 * near, `loss ${i}: ${loss}, ${near}`);
    }
    const start = readMetrics(tf32.out).find(({ type }) => type === 'start');
    assert.match(String(start?.['engineDescription']), /products in TF32$/);
    const evaluated = { model: tf32.out, checkpoint: 'last', ranks: 1, engine: 'wasm' } as const;
    assert.ok(Number.isFinite((await evaluate(evaluated)).loss));
  });
});
