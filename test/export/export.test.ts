import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { compress } from '#src/app/convert/compress-model.js';
import { exportModel } from '#src/app/convert/export-file.js';
import { loadModel } from '#src/app/infer/load-model.js';
import { train } from '#src/app/train/train.js';
import { PhantomError } from '#src/base/errors.js';
import type { Standardization } from '#src/data/standardize.js';
import { openModel } from '#src/models/model-source.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { PbfReader } from 'pbf';
import { denseMatrix, type Tensors } from '../reference/layers.js';
import { REFERENCE_ACTIVATIONS } from '../reference/activations.js';
import { randomNumbers } from '../support/dense.js';
import { readCheckpoint, temporaryFolder } from '../support/files.js';
import { onnxRuntime } from '../support/onnx-runtime.js';
import { readStrictSafetensors } from '../support/strict-safetensors.js';

const runtime = await onnxRuntime();
const missing = runtime === null && 'no ONNX Runtime: npm ci --prefix test/onnx';

/** Outputs [rows, …] of dense layers in float64, from tensors named as an nn.Sequential does. */
function forward(
  tensors: Tensors,
  x: Float64Array,
  rows: number,
  activation: (z: number) => number,
) {
  const count = [...tensors.keys()].filter((name) => name.endsWith('.weight')).length;
  let a = x;
  for (let layer = 0; layer < count; layer++) {
    const { shape = [], values = new Float64Array() } = tensors.get(`${2 * layer}.weight`) ?? {};
    const bias = tensors.get(`${2 * layer}.bias`)?.values as Float64Array;
    const [outputs = 0, inputs = 0] = shape;
    const z = new Float64Array(rows * outputs);
    for (let at = 0; at < z.length; at++) {
      const [row, output] = [Math.floor(at / outputs), at % outputs];
      let sum = bias[output];
      for (let i = 0; i < inputs; i++) {
        sum += values[output * inputs + i] * a[row * inputs + i];
      }
      z[at] = layer === count - 1 ? sum : activation(sum);
    }
    a = z;
  }
  return a;
}

const CASES: [string, Partial<TrainingSettings>][] = [
  ['phantom, relu', { strategy: 'phantom', activation: 'relu', blocks: 4 }],
  ['phantom, gelu, 2 blocks', { strategy: 'phantom', activation: 'gelu', blocks: 2 }],
  ['phantom, silu', { strategy: 'phantom', activation: 'silu', blocks: 4 }],
  ['phantom, elu', { strategy: 'phantom', activation: 'elu', blocks: 4, depth: 1 }],
  ['phantom, leaky-relu', { strategy: 'phantom', activation: 'leaky-relu', blocks: 4, depth: 1 }],
  ['phantom, sine', { strategy: 'phantom', activation: 'sine', blocks: 4, depth: 1 }],
  ['phantom, tanh', { strategy: 'phantom', activation: 'tanh', blocks: 4, depth: 1 }],
  [
    'phantom, layers of different K',
    { strategy: 'phantom', activation: 'relu', blocks: 4, ghosts: 5, layerGhosts: [5, 2] },
  ],
  ['tensor', { strategy: 'tensor', activation: 'relu', blocks: 2 }],
  ['tensor-paired', { strategy: 'tensor-paired', activation: 'gelu', blocks: 2, depth: 3 }],
  [
    'phantom, widths that change, ends split over blocks',
    {
      ...({ strategy: 'phantom', blocks: 4, widths: [24, 32, 16], activation: 'elu' } as const),
      ...({ ends: 'replicated', input: 'phantom', head: 'phantom', loss: 'mse' } as const),
      ...({ data: 'synthetic:teacher?widths=13,10,6', ranks: 2 } as const),
    },
  ],
  [
    'tensor-paired, gathered ends',
    {
      ...({ strategy: 'tensor-paired', blocks: 4, widths: [24, 32, 16] } as const),
      ...({ ends: 'replicated', input: 'gather', head: 'gather', loss: 'mse' } as const),
      data: 'synthetic:teacher?widths=13,10,6',
    },
  ],
  [
    'phantom with sharded ends',
    {
      ...({ strategy: 'phantom', blocks: 4, width: 24, activation: 'tanh', loss: 'mse' } as const),
      data: 'synthetic:teacher?widths=24,48,24',
    },
  ],
];

/** Shapes of the constants of an ONNX file, by the field numbers of onnx.proto3. */
function onnxShapes(file: Uint8Array): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  const graph = (field: number, _: null, pbf: PbfReader) => {
    if (field !== 5) return; // initializer
    const shape: number[] = [];
    const read = (part: number, found: { name: string }) => {
      if (part === 1) pbf.readPackedVarint(shape);
      else if (part === 8) found.name = pbf.readString();
    };
    shapes.set(pbf.readMessage(read, { name: '' }).name, shape);
  };
  new PbfReader(file).readFields((field, _, pbf) => {
    if (field === 7) pbf.readMessage(graph, null);
  }, null);
  return shapes;
}

let folder = '';
const cleanup: (() => void)[] = [];
before(() => {
  folder = temporaryFolder({ after: (work: () => void) => cleanup.push(work) });
});
after(() => {
  for (const work of cleanup) work();
});

function standardized(
  x: ArrayLike<number>,
  features: number,
  standardization: Standardization | null,
): Float64Array {
  return Float64Array.from(x, (value, at) => {
    if (standardization === null) return value;
    const { mean, scale } = standardization;
    return (value - mean[at % features]) / scale[at % features];
  });
}

const run = (i: number) => path.join(folder, `run-${i}`);
const out = (i: number, name: string) => path.join(folder, `${i}-${name}`);
const write = (i: number, format: Parameters<typeof exportModel>[0]['format'], name: string) =>
  exportModel({ model: run(i), format, out: out(i, name), engine: 'wasm' });

describe('export', () => {
  for (const [i, [name, settings]] of CASES.entries()) {
    it(`writes the equivalent dense matrices and the tensors themselves: ${name}`, async () => {
      const shape = {
        width: 32,
        depth: 2,
        ghosts: 3,
        engine: 'wasm',
        batch: 50,
        lr: 0.01,
      } as const;
      // The first is read from the files of two ranks.
      const ranks = i === 0 ? 2 : 1;
      await train({ ...shape, ranks, steps: 3, ...settings, out: run(i) });
      const { specification, weights } = openModel(run(i));
      const own = readCheckpoint(weights);
      await write(i, 'safetensors', 'own.safetensors');
      const copy = readStrictSafetensors(out(i, 'own.safetensors'));
      assert.deepEqual([...copy.tensors.keys()].toSorted(), [...own.keys()].toSorted());
      for (const [key, tensor] of copy.tensors) assert.deepEqual(tensor, own.get(key), key);
      assert.equal(copy.metadata['activation'], specification.activation);

      await write(i, 'safetensors-dense', 'dense.safetensors');
      await write(i, 'pytorch-names', 'pytorch.safetensors');
      const dense = readStrictSafetensors(out(i, 'dense.safetensors')).tensors;
      const pytorch = readStrictSafetensors(out(i, 'pytorch.safetensors')).tensors;
      assert.deepEqual(
        [...pytorch.keys()].toSorted(),
        Array.from({ length: dense.size / 2 }, (_, l) => [`${2 * l}.bias`, `${2 * l}.weight`])
          .flat()
          .toSorted(),
      );
      const hidden = Array.from({ length: specification.depth }, (_, l) => `layers.${l}`);
      const layers = dense.has('input.weight') ? ['input', ...hidden, 'head'] : hidden;
      for (const [l, layer] of layers.entries()) {
        const found = dense.get(`${layer}.weight`);
        const { shape: [, columns] = [], values = new Float64Array() } = found ?? {};
        const whole = denseMatrix(own, layer, specification.blocks);
        // Without rows and columns that fill up the blocks.
        for (const [at, value] of values.entries()) {
          const [row, column] = [Math.floor(at / columns), at % columns];
          assert.ok(Math.abs(value - whole.data[row * whole.columns + column]) < 1e-6);
        }
        assert.deepEqual(pytorch.get(`${2 * l}.weight`), found);
      }
    });

    it(`answers as its dense matrices do, on two ranks, for any batch: ${name}`, async () => {
      const { specification, standardization } = openModel(run(i));
      const { tensors } = readStrictSafetensors(out(i, 'pytorch.safetensors'));
      const features = tensors.get('0.weight')?.shape[1] as number;
      const model = await loadModel(run(i), { ranks: 2, engine: 'wasm', maxBatch: 5 });
      try {
        for (const rows of [5, 2]) {
          const x = randomNumbers(`x${rows}`, rows * features, 1);
          const seen = standardized(x, features, standardization);
          const { value } = REFERENCE_ACTIVATIONS[specification.activation];
          const expected = forward(tensors, seen, rows, value);
          const y = await model.predict(x);
          const size = Math.max(1, ...expected.map(Math.abs));
          assert.equal(y.length, expected.length);
          for (const [at, each] of expected.entries()) {
            assert.ok(Math.abs(each - y[at]) <= 1e-5 * size, `y[${at}] is ${y[at]}, not ${each}`);
          }
        }
      } finally {
        await model.close();
      }
    });

    it(
      `gives the same outputs in ONNX Runtime to 1e-5, for any batch: ${name}`,
      { skip: missing },
      async () => {
        assert.ok(runtime);
        const { specification, standardization } = openModel(run(i));
        await write(i, 'onnx', 'model.onnx');
        const session = await runtime.InferenceSession.create(readFileSync(out(i, 'model.onnx')));
        assert.deepEqual(session.inputNames, ['x']);
        const { tensors } = readStrictSafetensors(out(i, 'pytorch.safetensors'));
        const features = tensors.get('0.weight')?.shape[1] as number;
        for (const rows of [1, 7]) {
          const scale = standardization === null ? 1 : 255;
          const x = randomNumbers(`x${rows}`, rows * features, scale).map(Math.abs);
          const seen = standardized(x, features, standardization);
          const expected = forward(
            tensors,
            seen,
            rows,
            REFERENCE_ACTIVATIONS[specification.activation].value,
          );
          const feeds = { x: new runtime.Tensor('float32', x, [rows, features]) };
          const { y } = await session.run(feeds);
          assert.ok(y);
          assert.deepEqual(y.dims, [rows, expected.length / rows]);
          const size = Math.max(1, ...expected.map(Math.abs));
          for (const [at, value] of expected.entries()) {
            const difference = Math.abs(value - y.data[at]);
            assert.ok(difference <= 1e-5 * size, `y[${at}] is ${y.data[at]}, expected ${value}`);
          }
        }
      },
    );
  }

  for (const [loss, answer] of [
    ['poisson', (z: number) => Math.round(9 * Math.exp(z))],
    ['quantile', (z: number) => 50 * z],
    ['binary-cross-entropy', (z: number) => (z > 0 ? 1 : 0)],
  ] as const) {
    it(`answers in ONNX Runtime as predict does: ${loss}`, { skip: missing }, async () => {
      assert.ok(runtime);
      const rows = Array.from(
        { length: 40 },
        (_, i) => [Math.sin(7 * i), Math.cos(5 * i)] as const,
      );
      const data = path.join(folder, `${loss}.csv`);
      const lines = rows.map(([a, b]) => [a, b, answer(a), answer(b)].join(','));
      writeFileSync(data, ['a,b,u,v', ...lines].join('\n'));
      const model = path.join(folder, loss);
      const sizes = {
        width: 16,
        depth: 1,
        blocks: 4,
        ghosts: 2,
        ranks: 1,
        engine: 'wasm',
      } as const;
      await train({ ...sizes, data, target: ['u', 'v'], loss, steps: 30, lr: 0.02, out: model });
      const file = path.join(folder, `${loss}.onnx`);
      await exportModel({ model, format: 'onnx', out: file, engine: 'wasm' });
      const loaded = await loadModel(model, { ranks: 1, engine: 'wasm' });
      const x = Float32Array.from(rows.flat());
      const { y: expected } = await loaded.predictMeasured(x);
      await loaded.close();
      const session = await runtime.InferenceSession.create(readFileSync(file));
      const column = (i: 0 | 1) =>
        new runtime.Tensor(
          'float32',
          Float32Array.from(rows, (row) => row[i]),
          [40, 1],
        );
      const { y } = await session.run({ a: column(0), b: column(1) });
      assert.ok(y && expected.length === y.data.length);
      for (const [at, value] of expected.entries()) {
        const difference = Math.abs(value - (y.data[at] ?? NaN));
        assert.ok(
          difference <= 1e-5 * Math.max(1, Math.abs(value)),
          `${at} ${value} ${y.data[at]}`,
        );
      }
    });
  }

  it('has the matrices of each layer in ONNX as they are', async () => {
    const i = CASES.findIndex(([name]) => name === 'phantom, layers of different K');
    await write(i, 'onnx', 'shapes.onnx');
    const shapes = onnxShapes(readFileSync(out(i, 'shapes.onnx')));
    const own = readCheckpoint(openModel(run(i)).weights);
    for (const [name, { shape }] of own) assert.deepEqual(shapes.get(name), [...shape], name);
    assert.deepEqual(shapes.get('layers.0.compressor.3'), [5, 8]);
    assert.deepEqual(shapes.get('layers.1.decompressor.3'), [8, 6]);
  });

  it('keeps phantom form in ONNX: no matrix of N × N', { skip: missing }, async () => {
    const file = out(0, 'model.onnx');
    const { specification } = openModel(run(0));
    const { size } = { size: readFileSync(file).length };
    const { width: N, blocks: P, ghosts: K, depth } = specification;
    const M = N / P;
    const hidden = depth * (P * (M * M + P * K * M) + N);
    assert.ok(size < 4 * (hidden + N * 784 + N + 10 * N + 10 + 2 * 784) + 8000);
  });

  it('goes a round: export, compress at K = M, export again', async () => {
    const model = path.join(folder, 'round');
    const source = out(0, 'pytorch.safetensors');
    await compress({
      ...({ model: source, blocks: 4, choice: { by: 'ghosts', ghosts: 8 }, out: model } as const),
      ...({ data: null, engine: 'wasm', activation: 'relu', loss: 'mse' } as const),
      onProgress: () => {},
    });
    const file = path.join(folder, 'round.safetensors');
    await exportModel({ model, format: 'pytorch-names', out: file, engine: 'wasm' });
    const [first, second] = [source, file].map((each) => readStrictSafetensors(each).tensors);
    assert.equal(first?.size, second?.size);
    for (const [name, { values }] of first ?? []) {
      const again = second?.get(name)?.values as Float64Array;
      for (const [at, value] of values.entries()) {
        assert.ok(Math.abs(value - again[at]) < 2e-6, name);
      }
    }
  });

  it('refuses to write over a file or where it cannot, and leaves nothing', async () => {
    const file = path.join(folder, 'there.onnx');
    writeFileSync(file, 'mine');
    const to = (target: string) =>
      exportModel({ model: run(0), format: 'onnx', out: target, engine: 'wasm' });
    await assert.rejects(
      to(file),
      (error) => error instanceof PhantomError && /already exists/.test(error.message),
    );
    assert.equal(readFileSync(file, 'utf8'), 'mine');
    await assert.rejects(to(path.join(file, 'x.onnx')), PhantomError);
  });
});
