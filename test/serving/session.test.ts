// What a loaded model answers, against the float64 reference on the checkpoint's own numbers.
import assert from 'node:assert/strict';
import { cpSync, rmSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadModel } from '#src/app/infer/load-model.js';
import { train } from '#src/app/train/train.js';
import { CheckpointError, ConfigError, ShapeError } from '#src/base/errors.js';
import { openModel } from '#src/models/model-source.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { randomStream } from '#src/tensor/random.js';
import { REFERENCE_ACTIVATIONS } from '../reference/activations.js';
import { denseMatrix, type Tensors } from '../reference/layers.js';
import { layersOf } from '../reference/network.js';
import { readCheckpoint, temporaryFolder } from '../support/files.js';

const COMMON: Partial<TrainingSettings> = {
  width: 32,
  depth: 3,
  blocks: 4,
  ghosts: 3,
  ranks: 2,
  engine: 'wasm',
  steps: 2,
  batch: 16,
  activation: 'gelu',
  seed: 4,
};
const REPLICATED = 'synthetic:teacher?widths=20,24,5';
const SHARDED = 'synthetic:teacher?widths=32,40,32&labels=values';
const CASES: [string, Partial<TrainingSettings>][] = [
  ['phantom', { strategy: 'phantom', data: REPLICATED }],
  // Trained on two ranks is the first; all are loaded on one, two and four.
  ['tensor', { strategy: 'tensor', ranks: 1, data: REPLICATED }],
  ['tensor-paired', { strategy: 'tensor-paired', ranks: 1, data: REPLICATED }],
  ['phantom with sharded ends', { strategy: 'phantom', ranks: 1, data: SHARDED, ends: 'sharded' }],
  ['tensor with sharded ends', { strategy: 'tensor', ranks: 1, data: SHARDED, ends: 'sharded' }],
  [
    'phantom on standardized images',
    { strategy: 'phantom', ranks: 1, data: 'fashion-10k', depth: 1 },
  ],
];

let folder = '';
const runs = new Map<string, string>();
const cleanup: (() => unknown)[] = [];

before(async () => {
  folder = temporaryFolder({ after: (work: () => unknown) => cleanup.push(work) });
  for (const [i, [name, settings]] of CASES.entries()) {
    const out = path.join(folder, `run-${i}`);
    await train({ ...COMMON, ...settings, out });
    runs.set(name, out);
  }
});
after(() => {
  for (const work of cleanup) work();
});

const runOf = (name: string) => runs.get(name) ?? assert.fail(name);

function randomRows(rows: number, features: number, scale = 1): Float32Array {
  const stream = randomStream(9, `rows ${rows}`);
  return Float32Array.from({ length: rows * features }, (_, i) => scale * stream.normal(i));
}

/** [rows, outputs] of the reference, and the largest magnitude before the last layer's sum. */
function reference(run: string, x: Float32Array): Float64Array {
  const { specification, weights, standardization } = openModel(run);
  const tensors: Tensors = readCheckpoint(weights);
  const layers = layersOf({ ...specification, loss: 'mse' }, tensors).map((layer) => {
    return { ...layer, matrix: denseMatrix(tensors, layer.name, specification.blocks) };
  });
  const features = layers[0]?.matrix.columns ?? 0;
  const rows = x.length / features;
  const answers: number[] = [];
  for (let row = 0; row < rows; row++) {
    let values = Array.from(x.subarray(row * features, (row + 1) * features), (value, f) =>
      standardization === null
        ? value
        : (value - (standardization.mean[f] ?? 0)) / (standardization.scale[f] ?? 1),
    );
    for (const { matrix, bias, activation } of layers) {
      values = Array.from({ length: matrix.rows }, (_, i) => {
        let sum = bias.data[i] ?? 0;
        for (const [j, value] of values.entries()) {
          sum += (matrix.data[i * matrix.columns + j] ?? 0) * value;
        }
        return REFERENCE_ACTIVATIONS[activation].value(sum);
      });
    }
    answers.push(...values);
  }
  return Float64Array.from(answers);
}

function assertClose(actual: Float32Array, expected: Float64Array): void {
  assert.equal(actual.length, expected.length);
  const size = Math.max(1, ...expected.map(Math.abs));
  for (const [i, value] of expected.entries()) {
    // Five layers of at most 784 float32 products each; errors add up like their square root.
    assert.ok(
      Math.abs((actual[i] ?? Number.NaN) - value) < 2e-5 * size,
      `${i}: ${actual[i]} ${value}`,
    );
  }
}

for (const [name, settings] of CASES) {
  describe(`a loaded model: ${name}`, () => {
    it('answers as the reference does, for any ranks and number of rows', async () => {
      const run = runOf(name);
      const answers: Float32Array[] = [];
      for (const ranks of [1, 2, 4]) {
        const model = await loadModel(run, { ranks, engine: 'wasm', maxBatch: 7 });
        try {
          const scale = settings.data === 'fashion-10k' ? 100 : 1;
          const x = randomRows(17, model.features, scale);
          // Batches of 7, 7 and 3 rows; then single rows; then all at once again, overlapping.
          const y = await model.predict(x);
          assertClose(y, reference(run, x));
          const [one, again, none] = await Promise.all([
            model.predict(x.subarray(0, model.features)),
            model.predict(x),
            model.predict(new Float32Array(0)),
          ]);
          assertClose(one, reference(run, x.subarray(0, model.features)));
          assert.deepEqual(again, y);
          assert.equal(none.length, 0);
          answers.push(y);
        } finally {
          await model.close();
        }
      }
      const [first] = answers;
      for (const each of answers) assert.deepEqual(each, first, 'the bits depend on R');
    });
  });
}

describe('loadModel', () => {
  it('answers concurrent calls in any number, each its own', async () => {
    const model = await loadModel(runOf('phantom'), { ranks: 2, engine: 'wasm', maxBatch: 4 });
    const x = randomRows(200, model.features);
    const whole = await model.predict(x);
    const rows = await Promise.all(
      Array.from({ length: 200 }, (_, row) =>
        model.predict(x.subarray(row * model.features, (row + 1) * model.features)),
      ),
    );
    await model.close();
    // The WebAssembly kernels sum a column alike whatever stands beside it.
    for (const [row, y] of rows.entries()) {
      const expected = whole.subarray(row * model.outputs, (row + 1) * model.outputs);
      for (const [i, value] of y.entries()) {
        assert.ok(Math.abs(value - (expected[i] ?? Number.NaN)) < 1e-5, `row ${row}`);
      }
    }
  });

  it('refuses what it cannot do, in one line', async () => {
    const run = runOf('phantom');
    await assert.rejects(loadModel(run, { ranks: 3 }), ConfigError);
    await assert.rejects(loadModel(run, { maxBatch: 0 }), ConfigError);
    await assert.rejects(loadModel(path.join(folder, 'nowhere')), CheckpointError);
    const damaged = path.join(folder, 'damaged');
    cpSync(run, damaged, { recursive: true });
    truncateSync(path.join(openModel(damaged).weights, 'model-00002-of-00002.safetensors'), 200);
    await assert.rejects(loadModel(damaged, { ranks: 2 }), /200 bytes/);
    rmSync(damaged, { recursive: true });
    const model = await loadModel(run, { ranks: 1 });
    await assert.rejects(model.predict(new Float32Array(model.features + 1)), ShapeError);
    await model.close();
    await model.close();
    await assert.rejects(model.predict(new Float32Array(model.features)), /closed|ended/);
  });
});
