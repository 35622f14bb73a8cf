import assert from 'node:assert/strict';
import { it } from 'node:test';
import path from 'node:path';
import { evaluate } from '#src/app/evaluate/evaluate-run.js';
import { loadModel } from '#src/app/infer/load-model.js';
import { train } from '#src/app/train/train.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import type { Dtype } from '#src/tensor/tensor.js';
import { randomNumbers } from '../support/dense.js';
import { temporaryFolder } from '../support/files.js';

const SETTINGS: Partial<TrainingSettings> = {
  ...{ width: 32, depth: 2, blocks: 4, ghosts: 3, steps: 3, batch: 16, engine: 'wasm', ranks: 1 },
  ...{ architecture: 'residual', gated: true, ends: 'replicated', lr: 0.01 },
  data: 'synthetic:teacher?widths=13,10,6',
};

it('a network answers in the format that is asked for, whatever it was trained in', async (context) => {
  const folder = temporaryFolder(context);
  const x = randomNumbers('x', 8 * 13, 1);
  for (const trained of ['float32', 'bfloat16'] as const) {
    const out = path.join(folder, trained);
    await train({ ...SETTINGS, compute: trained, out });
    const answers = async (compute?: Dtype, ranks = 1) => {
      const asked = compute === undefined ? {} : { compute };
      const model = await loadModel(out, { engine: 'wasm', ranks, ...asked });
      try {
        assert.match(
          model.engine,
          (compute ?? trained) === 'bfloat16' ? /bfloat16/ : /^(?!.*bfloat16)/,
        );
        return await model.predict(x);
      } finally {
        await model.close();
      }
    };
    const [float, half] = [await answers('float32'), await answers('bfloat16')];
    assert.deepEqual(await answers(), trained === 'float32' ? float : half);
    assert.deepEqual(await answers('bfloat16', 4), half);
    const scale = Math.max(...float.map(Math.abs));
    const errors = float.map((value, i) => Math.abs(value - half[i]) / scale);
    const most = Math.max(...errors);
    assert.ok(most > 1e-5 && most < 0.03, `largest difference ${most}`);
    const data = { x: { data: x, shape: [8, 13] }, y: { data: float, shape: [8, 6] } } as const;
    const lossIn = async (compute: Dtype) =>
      (await evaluate({ model: out, data, engine: 'wasm', compute, ranks: 1 })).loss;
    assert.ok((await lossIn('float32')) < 1e-8 * scale ** 2);
    const loss = await lossIn('bfloat16');
    assert.ok(loss > 1e-10 * scale ** 2 && loss < 1e-3 * scale ** 2, `loss ${loss}`);
  }
});
