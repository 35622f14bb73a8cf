// Commands that work in the host's memory, asked for the CUDA engine; on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { compress } from '#src/app/convert/compress-model.js';
import { exportModel } from '#src/app/convert/export-file.js';
import { reblock } from '#src/app/convert/reblock-model.js';
import { train } from '#src/app/train/train.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { temporaryFolder } from '../support/files.js';
import { settings, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();

describe('conversions asked to use CUDA devices', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();

  test('use an engine of the host, and say so', async (context) => {
    const folder = temporaryFolder(context);
    const at = (name: string) => path.join(folder, name);
    const model = at('run');
    await train(settings(model, { engine: 'wasm', ranks: 1, steps: 1, blocks: 4 }));
    const warnings: string[] = [];
    const common = {
      model,
      engine: 'cuda',
      onWarning: (text: string) => warnings.push(text),
    } as const;

    const choice = { by: 'ghosts', ghosts: 2 } as const;
    await compress({ ...common, blocks: 2, choice, out: at('small') });
    await exportModel({ ...common, format: 'safetensors-dense', out: at('dense.safetensors') });
    await reblock({ ...common, blocks: 2, out: at('merged') });
    for (const made of ['small', 'dense.safetensors', 'merged']) assert.ok(existsSync(at(made)));
    for (const [i, what] of ['compress', 'export', 'reblock'].entries()) {
      const line = new RegExp(
        `^${what} works in the host's memory: .* engine (blas|wasm) in place of cuda`,
      );
      assert.match(warnings[i] ?? '', line);
    }
    assert.equal(warnings.length, 3);
  });
});
