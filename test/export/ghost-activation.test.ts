// Networks with a function on their ghosts, from training to ONNX Runtime; and what refuses them.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { compress } from '#src/app/convert/compress-model.js';
import { exportModel } from '#src/app/convert/export-file.js';
import { reblock } from '#src/app/convert/reblock-model.js';
import { loadModel } from '#src/app/infer/load-model.js';
import { inspect } from '#src/app/inspect/inspect.js';
import { train } from '#src/app/train/train.js';
import { PhantomError } from '#src/base/errors.js';
import { openModel } from '#src/models/model-source.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { dense, transpose } from '../reference/matrix.js';
import { lossAndGradients } from '../reference/network.js';
import { residualLossAndGradients } from '../reference/residual.js';
import { randomNumbers } from '../support/dense.js';
import { readCheckpoint, temporaryFolder } from '../support/files.js';
import { onnxRuntime } from '../support/onnx-runtime.js';

const runtime = await onnxRuntime();

const [ROWS, FEATURES, OUTPUTS] = [5, 13, 6];
const COMMON: Partial<TrainingSettings> = {
  ...{ width: 24, depth: 2, blocks: 4, ghosts: 3, engine: 'wasm', batch: 48, lr: 0.01, steps: 3 },
  ...{ ends: 'replicated', data: `synthetic:teacher?widths=${FEATURES},10,${OUTPUTS}` },
  ...{ ghostActivation: 'tanh', replicas: 2, ranks: 2 },
};
const SPLIT = { input: 'phantom', head: 'phantom' } as const;
const CASES: Readonly<Record<string, Partial<TrainingSettings>>> = {
  plain: {},
  'plain, split ends, silu': { ...SPLIT, ghostActivation: 'silu', activation: 'gelu' },
  nested: { nestedGhosts: true, ghostPrecision: 'int8' },
  residual: { architecture: 'residual' },
  'residual, gated, split ends': { ...SPLIT, architecture: 'residual', gated: true },
  'residual without norm': { architecture: 'residual', norm: 'none' },
};

const cleanup: (() => unknown)[] = [];
let folder = '';
const at = (name: string) => path.join(folder, name);
before(async () => {
  folder = temporaryFolder({ after: (work: () => unknown) => cleanup.push(work) });
  for (const [name, settings] of Object.entries(CASES)) {
    await train({ ...COMMON, ...settings, out: at(name) });
  }
});
after(async () => {
  for (const work of cleanup.toReversed()) await work();
});

const x = randomNumbers('x', ROWS * FEATURES, 1);

/** [rows, outputs] by the float64 reference, of the first so many ghosts. */
function reference(name: string): number[] {
  const { specification, weights } = openModel(at(name));
  const tensors = readCheckpoint(weights);
  const shape = { ...specification, loss: 'mse' } as const;
  const { residual } = specification;
  const entering = transpose(dense(ROWS, FEATURES, x));
  const y = dense(OUTPUTS, ROWS, new Float64Array(OUTPUTS * ROWS));
  const { output } = residual
    ? residualLossAndGradients({ ...shape, ...residual }, tensors, entering, y)
    : lossAndGradients(shape, tensors, entering, y);
  return [...transpose(output).data];
}

function near(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    const most = 1e-5 * Math.max(1, Math.abs(expected[i]));
    const error = Math.abs(actual[i] - expected[i]);
    assert.ok(error <= most, `${what}: y[${i}] is ${actual[i]}, not ${expected[i]}`);
  }
}

async function predicted(name: string): Promise<Float32Array> {
  const model = await loadModel(at(name), { ranks: 2, engine: 'wasm' });
  try {
    return await model.predict(x);
  } finally {
    await model.close();
  }
}

describe('a network with a function on its ghosts', () => {
  for (const name of Object.keys(CASES)) {
    it(`answers as the float64 reference, and as ONNX Runtime, say: ${name}`, async () => {
      const answers = await predicted(name);
      // In int8 what ghosts are rounded to depends on the whole batch: of ONNX nothing is.
      if (CASES[name]?.ghostPrecision === undefined) near(answers, reference(name), 'reference');
      const file = path.join(folder, `${name}.onnx`);
      await exportModel({ model: at(name), format: 'onnx', out: file, engine: 'wasm' });
      if (runtime === null) return;
      const session = await runtime.InferenceSession.create(readFileSync(file));
      const { y } = await session.run({ x: new runtime.Tensor('float32', x, [ROWS, FEATURES]) });
      near(y.data, reference(name), 'ONNX Runtime');
    });
  }

  it('says so where it is inspected', async () => {
    const found = await inspect(at('plain'));
    assert.equal(found.type === 'network' && found.specification.ghostActivation, 'tanh');
  });

  it('is refused by what needs its matrices, which says why', async () => {
    const model = at('plain');
    const out = at('out');
    const refused = async (work: Promise<unknown>) => {
      await assert.rejects(
        work,
        (error) => error instanceof PhantomError && /has tanh on its ghosts/.test(error.message),
      );
      assert.ok(!existsSync(out));
    };
    const engine = 'wasm' as const;
    await refused(exportModel({ model, format: 'pytorch-names', out, engine }));
    await refused(exportModel({ model, format: 'safetensors-dense', out, engine }));
    const choice = { by: 'ghosts', ghosts: 2 } as const;
    await refused(compress({ model, blocks: 4, choice, out, engine }));
    await refused(reblock({ model, blocks: 2, out, engine }));
    await refused(reblock({ model, blocks: 8, choice, out, engine }));
    await assert.rejects(
      train({ ...COMMON, from: model, ghostActivation: 'silu', out }),
      /ghostActivation silu, and .*plain has ghostActivation tanh/,
    );
  });
});
