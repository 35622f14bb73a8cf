import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { compress } from '#src/app/convert/compress-model.js';
import { reblock, type ReblockOptions } from '#src/app/convert/reblock-model.js';
import { evaluate } from '#src/app/evaluate/evaluate-run.js';
import { train } from '#src/app/train/train.js';
import { PhantomError } from '#src/base/errors.js';
import { mergeBlocks } from '#src/compression/merge-blocks.js';
import { readRunConfig } from '#src/checkpoints/run-folder.js';
import { densified, randomNumbers } from '../support/dense.js';
import { readCheckpoint, temporaryFolder } from '../support/files.js';

const DATA = 'synthetic:teacher?widths=24,16,6&labels=argmax&validation=200';
const RUN = {
  ...({ width: 24, blocks: 6, depth: 2, ghosts: 2, engine: 'wasm', optimizer: 'adam' } as const),
  ...({ ranks: 1, batch: 32, checkpointEvery: 4, data: DATA } as const),
};

function largest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}

describe('reblock', () => {
  it('merges neighbors into the same matrix, in the order of nested ghosts', () => {
    const [M, K, P] = [3, 2, 6];
    const layer = { name: 'layers.0', blocks: P, inputs: M * P, outputs: M * P, ghosts: K };
    const source = new Map<string, { shape: number[]; values: Float64Array }>();
    const read = (name: string, shape: readonly number[]) => {
      const data = randomNumbers(
        name,
        shape.reduce((a, b) => a * b, 1),
      );
      source.set(name, { shape: [...shape], values: Float64Array.from(data) });
      return data;
    };
    /** Without the ghosts of each block but the first. */
    const first = (tensors: typeof source, kept: number) =>
      new Map(
        [...tensors].map(([name, { shape, values }]) => {
          if (!name.includes('compressor') || name.includes('de')) return [name, { shape, values }];
          return [name, { shape, values: values.map((v, at) => (at < kept * shape[1] ? v : 0)) }];
        }),
      );
    for (const q of [2, 3]) {
      const tensors = mergeBlocks(layer, q, read, { suffix: '', unknown: 'product' });
      const merged = new Map(
        tensors.map(({ name, shape, data }) => [
          name,
          { shape: [...shape], values: Float64Array.from(data as Float32Array) },
        ]),
      );
      const dense = densified(source, 0, M * P, P);
      assert.ok(largest(densified(merged, 0, M * P, P / q), dense) < 1e-6);
      // Between what stays apart, the first q ghosts are the first of each block of before.
      const apart = (values: Float64Array) =>
        values.filter((_, at) => {
          const [row, column] = [Math.floor(at / (M * P)), at % (M * P)];
          return Math.floor(row / (M * q)) !== Math.floor(column / (M * q));
        });
      const fewer = densified(first(merged, q), 0, M * P, P / q);
      const wanted = densified(first(source, 1), 0, M * P, P);
      assert.ok(largest(apart(fewer), apart(wanted)) < 1e-6);
    }
  });

  it('merges a run: the same outputs on any ranks, and it goes on', async (context) => {
    const folder = temporaryFolder(context);
    const [model, out] = [path.join(folder, 'run'), path.join(folder, 'merged')];
    await train({ ...RUN, ranks: 3, ema: 0.9, dropout: 0.1, steps: 6, out: model });
    const report = await reblock({ model, blocks: 2, out, engine: 'wasm' });
    assert.deepEqual(
      [report.kind, report.compression, report.optimizerState, report.after.ghosts],
      ['run', null, 'merged', 6],
    );
    const of = (source: string, ranks: number) =>
      evaluate({ model: source, data: DATA, engine: 'wasm', ranks, checkpoint: null });
    const before = await of(model, 3);
    for (const ranks of [1, 2]) {
      const after = await of(out, ranks);
      assert.ok(Math.abs(after.loss - before.loss) < 1e-6 * before.loss, `on ${ranks} ranks`);
    }
    // The moments are those of the same weights.
    const last = path.join('checkpoints', 'step-00000006');
    const [was, now] = [model, out].map((run) => readCheckpoint(path.join(run, last), 'optimizer'));
    const { settings, specification } = readRunConfig(out);
    assert.deepEqual([settings.ranks, settings.dropout, specification.dropout], [2, 0.1, 0.1]);
    for (const part of ['first_moment', 'second_moment']) {
      const old = was.get(`layers.1.local.4.${part}`)?.values ?? [];
      const merged = now.get(`layers.1.local.1.${part}`)?.values ?? [];
      for (let row = 0; row < 4; row++) {
        const place = (4 + row) * 12 + 4;
        assert.deepEqual(merged.slice(place, place + 4), old.slice(row * 4, row * 4 + 4));
      }
      const made = merged[4 * 12];
      assert.ok(part === 'first_moment' ? made === 0 : made > 0);
      assert.deepEqual(now.get(`head.weight.${part}`), was.get(`head.weight.${part}`));
    }
    const end = await train({ steps: 9 }, { resume: out });
    assert.equal(end.step, 9);
    assert.ok((end.loss ?? Infinity) < 2.5);

    const checkpoint = path.join(model, 'checkpoints', 'step-00000004');
    const earlier = path.join(folder, 'earlier');
    assert.equal((await reblock({ model: checkpoint, blocks: 3, out: earlier })).kind, 'run');
    assert.ok(existsSync(path.join(earlier, 'checkpoints', 'step-00000004', 'state.json')));
  });

  it('merges residual blocks, gated ones too: the same outputs', async (context) => {
    const folder = temporaryFolder(context);
    for (const gated of [false, true]) {
      const [model, out] = [path.join(folder, `run ${gated}`), path.join(folder, `two ${gated}`)];
      await train({ ...RUN, architecture: 'residual', gated, steps: 4, out: model });
      const { after } = await reblock({ model, blocks: 2, out, engine: 'wasm' });
      assert.deepEqual([after.blocks, after.ghosts], [2, 6]);
      const of = (source: string) =>
        evaluate({ model: source, data: DATA, engine: 'wasm', checkpoint: null });
      const [before, merged] = [await of(model), await of(out)];
      assert.ok(Math.abs(merged.loss - before.loss) < 1e-6 * before.loss, `gated: ${gated}`);
      const end = await train({ steps: 6 }, { resume: out });
      assert.equal(end.step, 6);
    }
  });

  it('merges a model with the ghosts of each layer, and decomposes to more blocks', async (context) => {
    const folder = temporaryFolder(context);
    const at = (name: string) => path.join(folder, name);
    await train({ ...RUN, steps: 2, out: at('run') });
    const source = { model: at('run'), blocks: 4, engine: 'wasm' } as const;
    await compress({ ...source, choice: { by: 'energy', share: 0.5 }, out: at('model') });
    const { before, after, kind } = await reblock({
      ...{ model: at('model'), blocks: 2, out: at('merged'), engine: 'wasm' },
    });
    assert.equal(kind, 'model');
    assert.deepEqual(
      after.layerGhosts ?? [after.ghosts, after.ghosts],
      (before.layerGhosts ?? [before.ghosts, before.ghosts]).map((K) => 2 * K),
    );
    const [was, now] = [readCheckpoint(at('model')), readCheckpoint(at('merged'))];
    for (const layer of [0, 1]) {
      assert.ok(largest(densified(was, layer, 24, 4), densified(now, layer, 24, 2)) < 1e-6);
    }

    const split = (blocks: number, ghosts: number, out: string) => {
      const choice = { by: 'ghosts', ghosts } as const;
      return reblock({ model: at('merged'), blocks, choice, out: at(out), engine: 'wasm' });
    };
    // Back to the blocks of before no more ghosts than of before are needed.
    for (const [blocks, ghosts, out] of [
      [4, before.ghosts, 'back'],
      [8, 3, 'whole'],
    ] as const) {
      const { kind: written } = await split(blocks, ghosts, out);
      assert.equal(written, 'model');
      const here = readCheckpoint(at(out));
      for (const layer of [0, 1]) {
        const there = densified(now, layer, 24, 2);
        assert.ok(largest(there, densified(here, layer, 24, blocks)) < 1e-5, out);
      }
    }
    const few = await split(8, 1, 'few');
    for (const { relativeError } of few.compression?.layers ?? []) {
      assert.ok(relativeError > 0.01 && relativeError < 1);
    }
    const fewer = { by: 'ghosts', ghosts: 1 } as const;
    const merged = await reblock({ model: at('run'), blocks: 2, choice: fewer, out: at('cut') });
    assert.deepEqual([merged.kind, merged.optimizerState], ['model', 'left out']);
    assert.ok((merged.compression?.layers[0]?.relativeError ?? 0) > 0.01);
  });

  it('refuses what cannot be in one clear line', async (context) => {
    const folder = temporaryFolder(context);
    const model = path.join(folder, 'run');
    const out = path.join(folder, 'out');
    await train({ ...RUN, steps: 1, out: model });
    const dense = path.join(folder, 'dense');
    await train({ ...RUN, strategy: 'tensor', steps: 1, out: dense });
    const refused = async (message: RegExp, changes: Partial<ReblockOptions>) => {
      await assert.rejects(
        reblock({ model, blocks: 2, out, engine: 'wasm', ...changes }),
        (error) => error instanceof PhantomError && message.test(error.message),
        String(message),
      );
      assert.ok(!existsSync(out));
    };
    await refused(/it has so many already/, { blocks: 6 });
    await refused(/one block has no ghosts/, { blocks: 1 });
    await refused(/they divide the width, 24/, { blocks: 5 });
    await refused(/tensor network, which has no ghosts/, { model: dense });
    await refused(/--data has no effect/, { data: 'fashion-10k' });
  });
});
