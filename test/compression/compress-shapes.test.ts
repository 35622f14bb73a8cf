import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { compress } from '#src/app/convert/compress-model.js';
import { exportModel } from '#src/app/convert/export-file.js';
import { evaluate } from '#src/app/evaluate/evaluate-run.js';
import { train } from '#src/app/train/train.js';
import { openModel } from '#src/models/model-source.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { ALL } from '../support/all.js';
import { sequential, writeSequential } from '../support/dense.js';
import { temporaryFolder } from '../support/files.js';
import { readStrictSafetensors } from '../support/strict-safetensors.js';

const DATA = 'synthetic:teacher?widths=24,16,6&labels=argmax&validation=200';
const RUN = {
  ...({ width: 32, depth: 2, blocks: 2, ranks: 1, engine: 'wasm', lr: 0.003 } as const),
  ...({ batch: 50, steps: 40, data: DATA } as const),
};
const RESIDUAL = { architecture: 'residual' } as const;
/** Settings, and ghosts with which nothing is lost: as many as a block has inputs, or others outputs. */
const CASES: [string, Partial<TrainingSettings>, number | null][] = [
  ['residual blocks', { strategy: 'tensor', ...RESIDUAL, activation: 'gelu' }, null],
  ['paired gated blocks', { strategy: 'tensor-paired', ...RESIDUAL, gated: true, expansion: 1 }, 8],
  [
    'phantom gated blocks without a norm',
    { ghosts: 4, ...RESIDUAL, gated: true, norm: 'none', expansion: 1 },
    8,
  ],
  ['widths that change', { strategy: 'tensor', width: 48, widths: [32, 48, 16] }, 12],
];
/** `.ci/run` runs all, with `--all`. */
const QUICK = new Set(['paired gated blocks', 'widths that change']);

const evaluated = async (model: string) =>
  (await evaluate({ model, data: DATA, ranks: 1, engine: 'wasm', checkpoint: null })).loss;

function near(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) < 1e-5 * expected, `${what}: ${actual}, ${expected}`);
}

describe('compress of other networks than chains of one width', () => {
  for (const [name, settings, full] of CASES.filter((one) => ALL || QUICK.has(one[0]))) {
    it(`says the losses that the networks have: ${name}`, async (context) => {
      const folder = temporaryFolder(context);
      const model = path.join(folder, 'run');
      await train({ ...RUN, ...settings, out: model });
      const before = await evaluated(model);
      const request = { model, blocks: 4, engine: 'wasm', data: DATA } as const;
      for (const minimize of ['weights', 'outputs'] as const) {
        for (const ghosts of [2, full ?? 8]) {
          const out = path.join(folder, `${minimize} ${ghosts}`);
          const choice = { by: 'ghosts', ghosts } as const;
          const { probe, layers } = await compress({ ...request, choice, minimize, out });
          assert.ok(probe);
          near(probe.before.loss, before, 'before');
          near(probe.after.loss, await evaluated(out), `after, ${minimize}, ${ghosts}`);
          for (const layer of layers) {
            if (layer.plain === null) continue;
            const [own, plain] = [layer.outputError ?? 1, layer.plain.outputError ?? 0];
            assert.ok(own <= plain * 1.001 + 1e-6, `${layer.name}: ${own}, ${plain}`);
          }
          if (ghosts === full) near(probe.after.loss, before, minimize);
        }
      }
      const out = path.join(folder, 'energy');
      await compress({ ...request, choice: { by: 'energy', share: 0.6 }, out });
      const { specification } = openModel(out);
      assert.ok(specification.ghosts >= 1 && specification.ghosts <= 12);
      assert.ok(Number.isFinite(await evaluated(out)));
    });
  }

  it('goes a round with files of several widths: export, compress at full rank', async (context) => {
    const folder = temporaryFolder(context);
    const at = (name: string) => path.join(folder, name);
    const dense = writeSequential(at('dense.safetensors'), sequential([10, 32, 16, 24, 5]));
    await compress({
      ...{ model: at('dense.safetensors'), blocks: 4, engine: 'wasm', out: at('model') },
      ...{ activation: 'relu', loss: 'mse', choice: { by: 'ghosts', ghosts: 8 } },
    });
    const { specification } = openModel(at('model'));
    assert.deepEqual(specification.widths, [32, 16, 24]);
    assert.deepEqual(specification.layerGhosts, [8, 4]);
    const out = at('again.safetensors');
    await exportModel({ model: at('model'), format: 'pytorch-names', out, engine: 'wasm' });
    const { tensors } = readStrictSafetensors(out);
    assert.equal(tensors.size, dense.size);
    for (const [name, { values }] of dense) {
      const again = tensors.get(name)?.values ?? [];
      for (const [i, value] of values.entries()) assert.ok(Math.abs(value - again[i]) < 2e-6, name);
    }
  });
});
