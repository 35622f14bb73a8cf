import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { compress } from '#src/app/convert/compress-model.js';
import { exportModel } from '#src/app/convert/export-file.js';
import { loadModel } from '#src/app/infer/load-model.js';
import { train } from '#src/app/train/train.js';
import type { Activation } from '#src/engines/activations.js';
import { openModel } from '#src/models/model-source.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { REFERENCE_ACTIVATIONS } from '../reference/activations.js';
import type { Tensors } from '../reference/layers.js';
import { randomNumbers } from '../support/dense.js';
import { temporaryFolder } from '../support/files.js';
import { onnxRuntime } from '../support/onnx-runtime.js';
import { readStrictSafetensors } from '../support/strict-safetensors.js';

const runtime = await onnxRuntime();

const COMMON: Partial<TrainingSettings> = {
  ...{ width: 24, depth: 2, blocks: 4, ghosts: 3, batch: 50, lr: 0.01, steps: 3 },
  ...{ ranks: 1, engine: 'wasm' },
  ...{ architecture: 'residual', ends: 'replicated', data: 'synthetic:teacher?widths=13,10,6' },
};
const CASES: [string, Partial<TrainingSettings>][] = [
  ['phantom', { strategy: 'phantom', activation: 'gelu' }],
  ['phantom, gated', { strategy: 'phantom', gated: true, expansion: 1 }],
  ['phantom, split ends', { strategy: 'phantom', gated: true, input: 'phantom', head: 'phantom' }],
  [
    'phantom, sharded ends, no norm',
    {
      ...{ strategy: 'phantom', activation: 'tanh', norm: 'none', ends: 'sharded' },
      data: 'synthetic:teacher?widths=24,48,24',
    },
  ],
  ['phantom, trained in bfloat16', { strategy: 'phantom', compute: 'bfloat16' }],
  ['tensor, gated', { strategy: 'tensor', gated: true, activation: 'gelu' }],
  ['tensor-paired', { strategy: 'tensor-paired', activation: 'silu' }],
  [
    'tensor-paired, gated, sharded ends',
    {
      ...{ strategy: 'tensor-paired', gated: true, ends: 'sharded' },
      data: 'synthetic:teacher?widths=24,48,24',
    },
  ],
];

/** With which nothing is lost: what a block sends goes to no more features than there are ghosts. */
const LOSSLESS = { blocks: 2, choice: { by: 'ghosts', ghosts: 12 } } as const;

/** One sample through a network of PyTorch modules of these names, in float64. */
function forward(
  tensors: Tensors,
  { norm, activation }: { readonly norm: 'rms' | 'none'; readonly activation: Activation },
  sample: readonly number[],
): number[] {
  const phi = REFERENCE_ACTIVATIONS[activation].value;
  const linear = (name: string, x: readonly number[]) => {
    const { shape = [], values = [] } = tensors.get(`${name}.weight`) ?? {};
    const [rows, columns] = shape;
    assert.equal(columns, x.length, name);
    const bias = tensors.get(`${name}.bias`)?.values ?? [];
    return Array.from({ length: rows }, (_, row) =>
      x.reduce((sum, value, i) => sum + values[row * columns + i] * value, bias[row]),
    );
  };
  const normed = (x: readonly number[]) => {
    if (norm === 'none') return x;
    const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
    return x.map((value) => value / Math.sqrt(mean + 1e-6));
  };
  const hasEnds = tensors.has('input.weight');
  let x = hasEnds ? linear('input', sample) : sample;
  for (let l = 0; tensors.has(`blocks.${l}.up.weight`); l++) {
    const u = normed(x);
    const up = linear(`blocks.${l}.up`, u);
    const gate = tensors.has(`blocks.${l}.gate.weight`) ? linear(`blocks.${l}.gate`, u) : null;
    const inner = gate ? up.map((value, i) => phi(gate[i]) * value) : up.map(phi);
    const down = linear(`blocks.${l}.down`, inner);
    x = x.map((value, i) => value + down[i]);
  }
  return hasEnds ? linear('head', normed(x)) : [...x];
}

describe('an exported network of residual blocks', () => {
  for (const [name, settings] of CASES) {
    it(`answers as its PyTorch names and ONNX Runtime say: ${name}`, async (context) => {
      const folder = temporaryFolder(context);
      const model = path.join(folder, 'run');
      await train({ ...COMMON, ...settings, out: model });
      const { specification } = openModel(model);
      const pytorch = path.join(folder, 'pytorch.safetensors');
      await exportModel({ model, format: 'pytorch-names', out: pytorch, engine: 'wasm' });
      const { tensors } = readStrictSafetensors(pytorch);
      const [rows, features] = [5, settings.ends === 'sharded' ? 24 : 13];
      const x = randomNumbers('x', rows * features, 1);
      const of = { norm: specification.residual?.norm ?? 'none', ...specification };
      const expected = Array.from({ length: rows }, (_, row) =>
        forward(tensors, of, [...x.subarray(row * features, (row + 1) * features)]),
      ).flat();
      const compare = (y: ArrayLike<number>) => {
        assert.equal(y.length, expected.length);
        for (const [at, value] of expected.entries()) {
          const most = 1e-5 * Math.max(1, Math.abs(value));
          assert.ok(Math.abs(value - y[at]) <= most, `y[${at}] is ${y[at]}, not ${value}`);
        }
      };
      // What is exported is float32, whatever it was trained in.
      const loaded = await loadModel(model, { ranks: 2, engine: 'wasm', compute: 'float32' });
      try {
        compare(await loaded.predict(x));
      } finally {
        await loaded.close();
      }
      const again = path.join(folder, 'again');
      await compress({
        ...{ ...LOSSLESS, model: pytorch, out: again, engine: 'wasm', loss: 'mse' },
        ...{ activation: of.activation, norm: of.norm },
      });
      const compressed = await loadModel(again, { ranks: 2, engine: 'wasm' });
      try {
        compare(await compressed.predict(x));
      } finally {
        await compressed.close();
      }
      if (runtime === null) return;
      const file = path.join(folder, 'model.onnx');
      await exportModel({ model, format: 'onnx', out: file, engine: 'wasm' });
      const session = await runtime.InferenceSession.create(readFileSync(file));
      const { y } = await session.run({ x: new runtime.Tensor('float32', x, [rows, features]) });
      compare(y.data);
    });
  }
});
