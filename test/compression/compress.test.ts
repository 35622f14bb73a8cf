import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parameterCount } from '#src/analysis/network-cost.js';
import { type CompressOptions, compress } from '#src/app/convert/compress-model.js';
import { evaluate } from '#src/app/evaluate/evaluate-run.js';
import { train } from '#src/app/train/train.js';
import { PhantomError } from '#src/base/errors.js';
import { writeSafetensors } from '#src/data/safetensors.js';
import { openModel } from '#src/models/model-source.js';
import { densified, randomNumbers, sequential, writeSequential } from '../support/dense.js';
import { readCheckpoint, temporaryFolder } from '../support/files.js';
import { Matrix, SVD } from 'ml-matrix';

const COMMON = {
  ...({ blocks: 4, data: null, activation: 'relu', loss: 'cross-entropy' } as const),
  ...({ engine: 'wasm', onProgress: () => {} } as const),
};
const WIDTHS = [10, 32, 32, 32, 5];

function distance(a: Float64Array, b: Float64Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0));
}

/** Σ σ² beyond the first K of each block's off-diagonal column, by another implementation. */
function tail(weight: Float64Array, N: number, P: number, K: number): number {
  const M = N / P;
  let sum = 0;
  for (let i = 0; i < P; i++) {
    const rows: number[][] = [];
    for (let row = 0; row < N; row++) {
      if (Math.floor(row / M) === i) continue;
      rows.push([...weight.subarray(row * N + i * M, row * N + (i + 1) * M)]);
    }
    const values = new SVD(new Matrix(rows)).diagonal;
    sum += values.slice(K).reduce((total, value) => total + value ** 2, 0);
  }
  return sum;
}

describe('compress', () => {
  for (const engine of ['wasm', 'auto'] as const) {
    it(`at K = M is the dense network to rounding (${engine})`, async (context) => {
      const folder = temporaryFolder(context);
      const source = path.join(folder, 'dense.safetensors');
      const dense = writeSequential(source, sequential(WIDTHS));
      const out = path.join(folder, 'model');
      const choice = { by: 'ghosts', ghosts: 8 } as const;
      const report = await compress({ ...COMMON, engine, model: source, choice, out });
      const written = readCheckpoint(out);
      for (const [layer, name] of ['2', '4'].entries()) {
        const weight = dense.get(`${name}.weight`)?.values as Float64Array;
        const error = distance(weight, densified(written, layer, 32, 4));
        assert.ok(error <= 5e-7 * distance(weight, new Float64Array(32 * 32)), String(error));
        assert.ok((report.layers[layer]?.relativeError ?? 1) < 5e-7);
      }
      const { specification } = openModel(out);
      assert.deepEqual(specification.ends, { kind: 'replicated', inputs: 10, outputs: 5 });
      assert.deepEqual(written.get('input.weight'), dense.get('0.weight'));
      assert.deepEqual(written.get('head.bias'), dense.get('6.bias'));
      assert.deepEqual(
        written.get('layers.1.bias.3')?.values,
        dense.get('4.bias')?.values.slice(24),
      );
    });

    it(`at a smaller K leaves the tail of the singular values (${engine})`, async (context) => {
      const folder = temporaryFolder(context);
      const source = path.join(folder, 'dense.safetensors');
      const dense = writeSequential(source, sequential(WIDTHS, { prefix: 'net.', bias: false }));
      for (const K of [1, 3, 7]) {
        const out = path.join(folder, `model-${K}`);
        const choice = { by: 'ghosts', ghosts: K } as const;
        const { layers } = await compress({ ...COMMON, engine, model: source, choice, out });
        const weight = dense.get('net.4.weight')?.values as Float64Array;
        const best = Math.sqrt(tail(weight, 32, 4, K));
        const error = distance(weight, densified(readCheckpoint(out), 1, 32, 4));
        assert.ok(Math.abs(error - best) <= 2e-3 * best, `K = ${K}: ${error}, best ${best}`);
        const size = distance(weight, new Float64Array(32 * 32));
        assert.ok(Math.abs((layers[1]?.relativeError ?? 0) - error / size) < 1e-5);
      }
    });
  }

  it('takes the fewest ghosts for an energy and the most for a budget', async (context) => {
    const folder = temporaryFolder(context);
    const source = path.join(folder, 'dense.safetensors');
    const dense = writeSequential(source, sequential(WIDTHS));
    const run = (choice: CompressOptions['choice'], out: string) =>
      compress({ ...COMMON, model: source, choice, out: path.join(folder, out) });
    const { layers, specification } = await run({ by: 'energy', share: 0.8 }, 'energy');
    for (const [i, name] of ['2', '4'].entries()) {
      const weight = dense.get(`${name}.weight`)?.values as Float64Array;
      const needed = layers[i]?.ghosts;
      const limit = 0.2 * tail(weight, 32, 4, 0);
      assert.ok(tail(weight, 32, 4, needed) <= limit);
      assert.ok(tail(weight, 32, 4, needed - 1) > limit);
    }
    assert.equal(specification.ghosts, Math.max(...layers.map(({ ghosts }) => ghosts)));
    const all = await run({ by: 'energy', share: 1 }, 'all');
    assert.equal(all.specification.ghosts, 8);

    const bytesOf = async (bytes: number) =>
      (await run({ by: 'budget', bytes }, `budget-${bytes}`)).after.bytes;
    const least = await bytesOf(12_000);
    assert.ok(least <= 12_000 && least + 2 * 4 * 4 * 32 * 4 > 12_000);
    await assert.rejects(bytesOf(1000), /budget 1000 bytes; .* with one ghost take \d+/);
  });

  it('gives each layer the ghosts that it needs', async (context) => {
    const folder = temporaryFolder(context);
    const source = path.join(folder, 'dense.safetensors');
    const lowRank = (name: string, rank: number) => {
      const [left, right] = [randomNumbers(`${name} u`, 32 * rank), randomNumbers(name, rank * 32)];
      return Float32Array.from({ length: 32 * 32 }, (_, at) => {
        const [row, column] = [Math.floor(at / 32), at % 32];
        let sum = 0;
        for (let k = 0; k < rank; k++) sum += left[row * rank + k] * right[k * 32 + column];
        return sum;
      });
    };
    const RANKS = new Map([
      ['2.weight', 5],
      ['4.weight', 2],
      ['6.weight', 8],
    ]);
    const tensors = sequential([10, 32, 32, 32, 32, 5]).map((tensor) => {
      const rank = RANKS.get(tensor.name);
      return rank === undefined ? tensor : { ...tensor, data: lowRank(tensor.name, rank) };
    });
    const dense = writeSequential(source, tensors);
    const weights = [...RANKS.keys()].map((name) => dense.get(name)?.values as Float64Array);
    const run = async (choice: CompressOptions['choice'], name: string) => {
      const out = path.join(folder, name);
      const { layers, specification, after } = await compress({
        ...COMMON,
        ...{ model: source, choice, out },
      });
      const written = readCheckpoint(out);
      for (const [layer, { ghosts, relativeError }] of layers.entries()) {
        const weight = weights[layer];
        assert.deepEqual(written.get(`layers.${layer}.compressor.3`)?.shape, [ghosts, 8]);
        assert.deepEqual(written.get(`layers.${layer}.decompressor.0`)?.shape, [8, 3 * ghosts]);
        const [size, best] = [tail(weight, 32, 4, 0), Math.sqrt(tail(weight, 32, 4, ghosts))];
        const error = distance(weight, densified(written, layer, 32, 4));
        assert.ok(Math.abs(error - best) <= 2e-3 * best + 1e-5 * Math.sqrt(size), `layer ${layer}`);
        const whole = distance(weight, new Float64Array(32 * 32));
        assert.ok(Math.abs(relativeError - error / whole) < 1e-5);
      }
      assert.equal(after.parameters, parameterCount(specification));
      let count = 0;
      for (const { values } of written.values()) count += values.length;
      assert.equal(after.parameters, count);
      return { specification, ghosts: layers.map((layer) => layer.ghosts), bytes: after.bytes };
    };
    const exact = await run({ by: 'energy', share: 1 - 1e-9 }, 'exact');
    assert.deepEqual(exact.ghosts, [5, 2, 8]);
    assert.deepEqual(exact.specification.layerGhosts, [5, 2, 8]);
    assert.equal(exact.specification.ghosts, 8);
    const { ghosts } = await run({ by: 'energy', share: 0.9 }, 'most');
    for (const [layer, weight] of weights.entries()) {
      const [K, limit] = [ghosts[layer], 0.1 * tail(weight, 32, 4, 0)];
      assert.ok(tail(weight, 32, 4, K) <= limit && tail(weight, 32, 4, K - 1) > limit);
    }
    const uniform = await run({ by: 'ghosts', ghosts: 2 }, 'uniform');
    assert.equal(uniform.specification.layerGhosts, undefined);

    // As many bytes as two ghosts a layer: no other way to share six ghosts leaves less.
    const shared = await run({ by: 'budget', bytes: uniform.bytes }, 'shared');
    assert.equal(shared.bytes, uniform.bytes);
    const left = (each: readonly number[]) =>
      each.reduce((sum, K, layer) => sum + tail(weights[layer], 32, 4, K), 0);
    for (let a = 1; a <= 4; a++) {
      for (let b = 1; a + b <= 5; b++) {
        assert.ok(left(shared.ghosts) <= left([a, b, 6 - a - b]) * (1 + 1e-6), `${a}, ${b}`);
      }
    }
    const all = await run({ by: 'budget', bytes: 1e9 }, 'all');
    assert.deepEqual(all.ghosts, [8, 8, 8]);
  });

  it('tells the output error on data as the model itself is evaluated', async (context) => {
    const folder = temporaryFolder(context);
    const source = path.join(folder, 'run');
    const data = 'synthetic:teacher?widths=24,16,6&labels=argmax&validation=1000';
    for (const strategy of ['tensor', 'tensor-paired', 'phantom'] as const) {
      const shape = {
        strategy,
        width: 32,
        blocks: 2,
        depth: 3,
        ghosts: 5,
        ranks: 1,
        engine: 'wasm',
      } as const;
      await train({ ...shape, data, steps: 5, out: `${source}-${strategy}` });
      const out = path.join(folder, `model-${strategy}`);
      const { probe } = await compress({
        ...COMMON,
        activation: null,
        loss: null,
        data,
        model: `${source}-${strategy}`,
        choice: { by: 'ghosts', ghosts: 2 },
        out,
      });
      const request = {
        data,
        engine: 'wasm',
        batch: 500,
        checkpoint: null,
      } as const;
      const before = await evaluate({ ...request, ranks: 1, model: `${source}-${strategy}` });
      const after = await evaluate({ ...request, ranks: 4, model: out });
      assert.equal(probe?.rows, 1000);
      for (const [told, found] of [
        [probe.before, before],
        [probe.after, after],
      ] as const) {
        assert.ok(Math.abs(told.loss - found.loss) < 1e-5 * found.loss, strategy);
        assert.ok(Math.abs((told.accuracy ?? 0) - (found.accuracy ?? 1)) <= 1e-3);
      }
      assert.ok(probe.outputError > 1e-3 && probe.outputError < 2);
    }
  });

  it('keeps outputs nearer with data, and weights without', async (context) => {
    const folder = temporaryFolder(context);
    const model = path.join(folder, 'run');
    const sizes = {
      ...({ strategy: 'tensor', width: 32, blocks: 4, depth: 2 } as const),
      ...({ ranks: 1, engine: 'wasm' } as const),
    };
    await train({ ...sizes, steps: 20, out: model });
    const run = async (name: string, changes: Partial<CompressOptions>) => {
      const out = path.join(folder, name);
      const source = { ...COMMON, activation: null, loss: null, model };
      const choice = { by: 'ghosts', ghosts: 2 } as const;
      const report = await compress({ ...source, data: 'fashion-10k', choice, out, ...changes });
      return { ...report, written: readCheckpoint(out) };
    };
    const outputs = await run('outputs', {});
    assert.deepEqual([outputs.minimize, outputs.calibrationRows], ['outputs', 8000]);
    const weights = await run('weights', { minimize: 'weights' });
    const without = await run('without', { data: null });
    assert.deepEqual([without.minimize, without.calibrationRows], ['weights', 0]);
    assert.deepEqual(weights.written, without.written);
    for (const [i, { relativeError, outputError, plain }] of outputs.layers.entries()) {
      const { plain: none, ...errors } = weights.layers[i];
      assert.deepEqual({ ...plain, ghosts: 2, name: `layers.${i}` }, errors);
      assert.equal(none, null);
      assert.ok(relativeError > errors.relativeError, 'nearest in the weights is the plain one');
      assert.ok((outputError ?? 1) < 0.7 * (errors.outputError ?? 0), `layer ${i}: ${outputError}`);
      assert.equal(without.layers[i]?.outputError, null);
    }
    assert.ok((outputs.probe?.outputError ?? 1) < 0.7 * (weights.probe?.outputError ?? 0));

    const whole = await run('whole', { choice: { by: 'ghosts', ghosts: 8 } });
    assert.ok((whole.probe?.outputError ?? 1) < 1e-5);
    const share = await run('share', { choice: { by: 'energy', share: 0.9 } });
    for (const { ghosts, outputError } of share.layers) {
      assert.ok(ghosts < 8 && (outputError ?? 1) < 0.32, `${ghosts}, ${outputError}`);
    }
    const budget = await run('budget', { choice: { by: 'budget', bytes: outputs.after.bytes } });
    const count = budget.layers.reduce((sum, { ghosts }) => sum + ghosts, 0);
    assert.equal(count, 4);
  });

  it('chooses ghosts by outputs where data are endless and as wide as the layers', async (context) => {
    const folder = temporaryFolder(context);
    const model = path.join(folder, 'run');
    const data = 'synthetic:teacher?widths=16,16&validation=32';
    const sizes = { strategy: 'tensor', width: 16, blocks: 2, depth: 2, engine: 'wasm' } as const;
    await train({ ...sizes, data, ends: 'sharded', batch: 16, steps: 5, out: model });
    const { layers, calibrationRows, probe } = await compress({
      ...{ model, data, blocks: 4, engine: 'wasm', out: path.join(folder, 'model') },
      choice: { by: 'energy', share: 0.9 },
    });
    assert.deepEqual([layers.length, calibrationRows, probe?.rows], [2, 8192, 32]);
    for (const { ghosts, outputError } of layers) {
      assert.ok(ghosts >= 1 && ghosts < 4 && (outputError ?? 1) < 0.35, `${ghosts}`);
    }
  });

  it('refuses what it cannot compress in one clear line, and leaves nothing', async (context) => {
    const folder = temporaryFolder(context);
    const file = path.join(folder, 'weights.safetensors');
    const out = path.join(folder, 'models', 'm');
    const request = { ...COMMON, model: file, choice: { by: 'ghosts', ghosts: 2 }, out } as const;
    const refused = async (message: RegExp, changes: Partial<CompressOptions> = {}) => {
      await assert.rejects(
        compress({ ...request, ...changes }),
        (error) => error instanceof PhantomError && message.test(error.message),
        String(message),
      );
      assert.ok(!existsSync(out));
      assert.deepEqual(existsSync(path.dirname(out)) ? readdirSync(path.dirname(out)) : [], []);
    };
    await refused(/no such run folder, checkpoint or model folder/, {
      activation: null,
      loss: null,
    });
    writeFileSync(file, 'not weights at all');
    await refused(/claims a header/);
    writeSequential(file, sequential(WIDTHS));
    await refused(/give --activation/, { activation: null });
    await refused(/give --loss/, { loss: null });
    await refused(/does not divide into 5 blocks/, { blocks: 5 });
    await refused(/1 block has no ghosts/, { blocks: 1 });
    await refused(/9 ghosts of blocks of width 8/, { choice: { by: 'ghosts', ghosts: 9 } });
    await refused(/--minimize outputs without --data/, { minimize: 'outputs' });
    await refused(/energy 1.5/, { choice: { by: 'energy', share: 1.5 } });
    await refused(/784 features and 10 classes/, { data: 'fashion-10k' });
    writeSequential(file, sequential([10, 32, 18, 5]));
    await refused(/width 18 does not divide into 4 blocks/);
    writeSequential(file, sequential([10, 32, 5]));
    await refused(/2 linear layers; between/);
    const [weight, ...others] = sequential(WIDTHS);
    const broken = { ...weight, data: randomNumbers('x', 320).fill(Number.NaN, 3, 4) };
    writeSafetensors(file, [broken, ...others]);
    await refused(/a weight or bias of layer 0 is not finite/);
    writeSafetensors(file, [...others, { ...others[0], name: 'norm.running_mean' }]);
    await refused(/is not a weight or bias of a linear layer/);
    writeSafetensors(file, sequential([10, 32, 24, 5]).toSpliced(2, 2));
    await refused(/4.weight takes 24 numbers, the layer before it gives 32/);
  });
});
