import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parameterCount, stepCost } from '#src/analysis/network-cost.js';
import { compress } from '#src/app/convert/compress-model.js';
import { evaluate } from '#src/app/evaluate/evaluate-run.js';
import { loadModel } from '#src/app/infer/load-model.js';
import { train } from '#src/app/train/train.js';
import { ConfigError } from '#src/base/errors.js';
import { readRunConfig } from '#src/checkpoints/run-folder.js';
import { openModel } from '#src/models/model-source.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { randomStream } from '#src/tensor/random.js';
import { losses, temporaryFolder } from '../support/files.js';

const SETTINGS = { engine: 'wasm', batch: 50, lr: 1e-3, logEvery: 1, ranks: 2 } as const;

describe('training from a model', () => {
  it('begins with its weights and standardization, and resumes to the same bits', async (context) => {
    const folder = temporaryFolder(context);
    const at = (name: string) => path.join(folder, name);
    const shape = { strategy: 'tensor', width: 32, blocks: 2, depth: 2, ...SETTINGS } as const;
    const dense = await train({ ...shape, steps: 40, out: at('dense') });
    const model = at('model');
    const { probe } = await compress({
      ...({ model: at('dense'), blocks: 4, choice: { by: 'ghosts', ghosts: 2 } } as const),
      ...({ out: model, data: 'fashion-10k', engine: 'wasm', activation: null } as const),
      loss: null,
      onProgress: () => {},
    });
    assert.ok(probe);
    const from: Partial<TrainingSettings> = { ...SETTINGS, from: model, validateEvery: 4 };
    const healed = await train({ ...from, steps: 8, out: at('healed') });
    assert.ok((healed.validationLoss ?? 9) < probe.after.loss, 'it heals');
    const { settings, specification, data } = readRunConfig(at('healed'));
    assert.deepEqual(specification, {
      ghostPrecision: 'float32',
      ...openModel(model).specification,
    });
    assert.deepEqual([settings.from, settings.width, settings.ghosts], [model, 32, 2]);
    const { standardization } = openModel(at('dense'));
    assert.deepEqual(data.standardization?.mean, [...(standardization?.mean ?? [])]);
    assert.ok(dense.validationLoss);

    // The model may go away: a run that is resumed has its own weights.
    await train({ ...from, steps: 4, out: at('again') });
    rmSync(model, { recursive: true });
    await train({ steps: 8 }, { resume: at('again') });
    assert.deepEqual(losses(at('again')), losses(at('healed')));
  });

  it('keeps the ghosts of each layer, and so do all that use what it trained', async (context) => {
    const folder = temporaryFolder(context);
    const at = (name: string) => path.join(folder, name);
    const shape = { strategy: 'tensor', width: 32, blocks: 2, depth: 3, ...SETTINGS } as const;
    await train({ ...shape, steps: 20, out: at('dense') });
    const compressed = { data: null, engine: 'wasm', activation: null, loss: null } as const;
    const model = at('model');
    // Ten ghosts for three layers.
    const { specification: dense } = openModel(at('dense'));
    const three = { ...dense, strategy: 'phantom', blocks: 4, ghosts: 3 } as const;
    const bytes = 4 * (parameterCount(three) + 4 * 32);
    const report = await compress({
      ...({ ...compressed, model: at('dense'), blocks: 4, out: model } as const),
      ...({ choice: { by: 'budget', bytes }, onProgress: () => {} } as const),
    });
    assert.equal(report.after.bytes, bytes);
    const layerGhosts = report.layers.map(({ ghosts }) => ghosts);
    assert.deepEqual(openModel(model).specification.layerGhosts, layerGhosts);
    const from = { ...SETTINGS, from: model, validateEvery: 4 };
    const healed = await train({ ...from, steps: 8, out: at('healed') });
    const { settings, specification } = readRunConfig(at('healed'));
    assert.deepEqual(settings.layerGhosts, layerGhosts);
    assert.deepEqual(specification.layerGhosts, layerGhosts);
    await train({ ...from, layerGhosts, steps: 4, out: at('again') });
    await train({ steps: 8 }, { resume: at('again') });
    assert.deepEqual(losses(at('again')), losses(at('healed')));
    await assert.rejects(
      train({ ...from, layerGhosts: [1, 1, 1], steps: 1, out: at('x') }),
      (error) =>
        error instanceof ConfigError && /layerGhosts 1,1,1, and .* has/.test(error.message),
    );

    // A run, a dense matrix, and K = M again are one network.
    const request = { data: null, engine: 'wasm', batch: 50, checkpoint: null } as const;
    const { loss, sweep } = await evaluate({
      ...{ ...request, ranks: 2, model: at('healed'), sweepGhosts: 'all' },
    });
    assert.equal(loss, healed.validationLoss);
    assert.equal(sweep?.at(-1)?.loss, loss);
    const cost = stepCost(specification, 2, 50).forward;
    assert.equal(sweep?.at(-1)?.flopsPerSample, cost.flops / 50);
    await compress({
      ...({ ...compressed, model: at('healed'), blocks: 4, out: at('whole') } as const),
      ...({ choice: { by: 'ghosts', ghosts: 8 }, onProgress: () => {} } as const),
    });
    const x = new Float32Array(7 * 784);
    randomStream(2, 'x').fillUniform(x, 0, 0, 255);
    const answers: Float32Array[] = [];
    for (const [name, ranks] of [
      ['healed', 1],
      ['healed', 2],
      ['whole', 2],
    ] as const) {
      const loaded = await loadModel(at(name), { engine: 'wasm', ranks });
      answers.push(Float32Array.from(await loaded.predict(x)));
      await loaded.close();
    }
    const [one, two, whole] = answers;
    assert.deepEqual(two, one);
    for (const [i, value] of one.entries()) {
      assert.ok(Math.abs(value - whole[i]) < 2e-5 * Math.max(...one.map(Math.abs)));
    }
  });

  it('begins where a run of the same network ended', async (context) => {
    const folder = temporaryFolder(context);
    const at = (name: string) => path.join(folder, name);
    const shape = { strategy: 'phantom', width: 32, blocks: 2, ghosts: 3, ...SETTINGS } as const;
    const end = await train({ ...shape, steps: 6, out: at('run') });
    const next = await train({
      ...SETTINGS,
      from: at('run'),
      lr: 1e-12,
      steps: 1,
      out: at('next'),
    });
    assert.ok(Math.abs((next.validationLoss ?? 0) - (end.validationLoss ?? 9)) < 1e-6);
    await assert.rejects(
      train({ ...SETTINGS, from: at('run'), width: 64, steps: 1, out: at('x') }),
      (error) =>
        error instanceof ConfigError && /width 64, and .* has width 32/.test(error.message),
    );
    await assert.rejects(
      train({
        ...SETTINGS,
        from: at('run'),
        steps: 1,
        out: at('x'),
        data: 'synthetic:teacher?widths=24,48,10&labels=argmax',
      }),
      /24 features and 10 answers, .* takes 784 and gives 10/,
    );
  });
});
