import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { stepCost } from '#src/analysis/network-cost.js';
import { evaluate } from '#src/app/evaluate/evaluate-run.js';
import { createEngine } from '#src/app/ranks/engines.js';
import { countedParts } from '#src/app/ranks/rank-parts.js';
import { train } from '#src/app/train/train.js';
import { Tape, Variable } from '#src/autograd/tape.js';
import { CheckpointError, ConfigError } from '#src/base/errors.js';
import { loadCheckpoint } from '#src/checkpoints/load-checkpoint.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { NestedGhosts } from '#src/model/nested-ghosts.js';
import { buildNetwork } from '#src/model/network.js';
import { type NetworkSpecification, withFirstGhosts } from '#src/model/specification.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { randomStream } from '#src/tensor/random.js';
import { relativeError } from '../parity/assemble.js';
import { columnsOf, beside, dense } from '../reference/matrix.js';
import { type Tensors } from '../reference/layers.js';
import { lossAndGradients } from '../reference/network.js';
import { readCheckpoint, readMetrics, temporaryFolder } from '../support/files.js';
import { resume } from '../support/resume.js';
import { numbersOf } from '../support/numbers.js';

const SETTINGS: Partial<TrainingSettings> = {
  width: 32,
  depth: 2,
  blocks: 4,
  ghosts: 6,
  nestedGhosts: true,
  data: 'fashion-10k',
  batch: 48,
  steps: 12,
  lr: 0.003,
  seed: 4,
  engine: 'wasm',
  logEvery: 1,
  validateEvery: 12,
};
const SPECIFICATION: NetworkSpecification = {
  strategy: 'phantom',
  width: 32,
  depth: 2,
  blocks: 4,
  ghosts: 6,
  activation: 'relu',
  ends: { kind: 'replicated', inputs: 784, outputs: 10 },
};

async function trained(context: TestContext, settings: Partial<TrainingSettings> = {}) {
  const out = path.join(temporaryFolder(context), 'run');
  const end = await train({ ...SETTINGS, ...settings, out });
  return { out, end, checkpoint: end.checkpoint };
}

/** The first ghosts of every block, cut out of a checkpoint's tensors. */
function firstGhosts(tensors: Tensors, ghosts: number): Tensors {
  const { blocks, ghosts: trainedGhosts } = SPECIFICATION;
  return new Map(
    [...tensors].map(([name, { shape, values }]) => {
      const [rows, columns = 1] = shape;
      if (name.includes('.compressor.')) {
        return [name, { shape: [ghosts, columns], values: values.slice(0, ghosts * columns) }];
      }
      if (!name.includes('.decompressor.')) return [name, { shape, values }];
      const whole = dense(rows, columns, values);
      const groups = Array.from({ length: blocks - 1 }, (_, i) =>
        columnsOf(whole, i * trainedGhosts, ghosts),
      );
      const cut = beside(groups);
      return [name, { shape: [rows, cut.columns], values: cut.data }];
    }),
  );
}

describe('the numbers of ghosts of a step', () => {
  it('have the largest and the smallest, and favor no octave', () => {
    const nested = new NestedGhosts(3, 64);
    const counts = new Map<number, number>();
    for (let step = 0; step < 4000; step++) {
      assert.deepEqual([nested.at(step, 0), nested.at(step, 1)], [64, 1]);
      for (const microBatch of [2, 3]) {
        const drawn = nested.at(step, microBatch);
        counts.set(drawn, (counts.get(drawn) ?? 0) + 1);
        assert.equal(new NestedGhosts(3, 64).at(step, microBatch), drawn);
      }
    }
    assert.deepEqual(
      [...counts.keys()].toSorted((a, b) => a - b),
      Array.from({ length: 64 }, (_, i) => i + 1),
    );
    for (const [ghosts, count] of counts) {
      const expected = (8000 * Math.log1p(1 / ghosts)) / Math.log(65);
      // Five standard deviations.
      assert.ok(Math.abs(count - expected) < 5 * Math.sqrt(expected), `${ghosts}: ${count}`);
    }
    assert.notDeepEqual(
      Array.from({ length: 20 }, (_, step) => nested.at(step, 2)),
      Array.from({ length: 20 }, (_, step) => new NestedGhosts(5, 64).at(step, 2)),
    );
  });
});

describe('training with nested ghosts', () => {
  it('counts what each micro-batch sends', async (context) => {
    const { out } = await trained(context, { ranks: 2 });
    const nested = new NestedGhosts(4, 6);
    for (const [step, event] of readMetrics(out)
      .filter(({ type }) => type === 'step')
      .entries()) {
      const expected = [0, 1, 2, 3].reduce((sum, microBatch) => {
        const ghosts = nested.at(step, microBatch);
        return sum + stepCost({ ...SPECIFICATION, ghosts }, 2, 12).total.receivedBytes;
      }, 0);
      assert.equal(event['receivedBytes'], expected, `step ${step}`);
    }
  });

  it('has the same weights when it is interrupted, and on other ranks', async (context) => {
    const whole = await trained(context, { ranks: 1 });
    const part = await trained(context, { steps: 5, ranks: 2 });
    const end = await resume(part.out, { steps: 12 });
    const expected = readCheckpoint(whole.checkpoint);
    for (const [name, { values }] of readCheckpoint(end.checkpoint)) {
      assert.deepEqual(values, expected.get(name)?.values, name);
    }
  });

  it('is evaluated at any number of ghosts', async (context) => {
    const { out, end } = await trained(context, { ranks: 2 });
    const request = {
      model: out,
      data: null,
      engine: 'wasm',
      batch: 12,
      ranks: 2,
      checkpoint: null,
    } as const;
    const { sweep, loss } = await evaluate({ ...request, sweepGhosts: 'all' });
    assert.ok(sweep);
    assert.deepEqual(
      sweep.map(({ ghosts }) => ghosts),
      [1, 2, 4, 6],
    );
    assert.equal(sweep.at(-1)?.loss, end.validationLoss);
    assert.equal(loss, end.validationLoss);
    assert.equal(new Set(sweep.map((point) => point.loss)).size, 4);
    for (const { ghosts, flopsPerSample, receivedBytesPerSample, energyJ } of sweep) {
      const { flops, receivedBytes } = stepCost({ ...SPECIFICATION, ghosts }, 2, 12).forward;
      assert.deepEqual([12 * flopsPerSample, 12 * receivedBytesPerSample], [flops, receivedBytes]);
      assert.ok(energyJ === null || energyJ > 0, `${energyJ} J`);
    }
    const some = await evaluate({ ...request, ranks: 1, sweepGhosts: [4, 2, 4] });
    assert.deepEqual(
      some.sweep?.map((point) => point.loss),
      [sweep[1].loss, sweep[2].loss],
    );
    for (const sweepGhosts of [[7], [0], [Number.NaN]]) {
      await assert.rejects(evaluate({ ...request, sweepGhosts }), ConfigError);
    }
  });
});

describe('a network of fewer ghosts', () => {
  it('is read from a checkpoint of more, and is the one that uses the first', async (context) => {
    const { checkpoint } = await trained(context, { ranks: 2 });
    const parts = countedParts(await createEngine('wasm'), new SoloTransport());
    const { engine, communicator, meters } = parts;
    const whole = buildNetwork(SPECIFICATION, engine, communicator);
    loadCheckpoint(
      checkpoint,
      { parameters: whole.parameters, optimizerState: null },
      communicator,
    );
    const columns = 9;
    const input = engine.allocate([784, columns]);
    randomStream(1, 'x').fillNormal(numbersOf(input), 0);
    const labels = Float64Array.from({ length: columns }, (_, i) => i);
    const forward = (network: typeof whole) =>
      numbersOf(network.forward(new Tape(engine, communicator), new Variable(input, false)).value);
    for (const ghosts of [1, 2, 5, 6]) {
      const fewer = buildNetwork({ ...SPECIFICATION, ghosts }, engine, communicator);
      loadCheckpoint(
        checkpoint,
        { parameters: fewer.parameters, optimizerState: null, nested: { ghosts, trained: 6 } },
        communicator,
      );
      const shape = { ...SPECIFICATION, ghosts, loss: 'cross-entropy' };
      const tensors = firstGhosts(readCheckpoint(checkpoint), ghosts);
      const batch = [dense(784, columns, numbersOf(input)), dense(1, columns, labels)] as const;
      const { output } = lossAndGradients(shape, tensors, ...batch);
      assert.ok(relativeError(forward(fewer), output.data) < 2e-6, `${ghosts} read`);
      whole.useGhosts(ghosts);
      const before = meters.flops();
      assert.ok(relativeError(forward(whole), output.data) < 2e-6, `${ghosts} in use`);
      const { forward: once } = stepCost({ ...SPECIFICATION, ghosts }, 1, columns);
      assert.equal(meters.flops() - before, once.flops);
      assert.deepEqual(fewer.costs(columns), whole.costs(columns));
    }
    assert.throws(() => whole.useGhosts(7), /needs 1 to 6/);
    const other = buildNetwork({ ...SPECIFICATION, ghosts: 2 }, engine, communicator);
    for (const nested of [null, { ghosts: 2, trained: 8 }] as const) {
      const load = () =>
        loadCheckpoint(
          checkpoint,
          { parameters: other.parameters, optimizerState: null, nested },
          communicator,
        );
      assert.throws(load, CheckpointError);
    }
  });

  it('keeps what its layers have, where they have fewer', async (context) => {
    const layerGhosts = [3, 6];
    const mixed = { ...SPECIFICATION, layerGhosts };
    const { checkpoint } = await trained(context, { layerGhosts, ranks: 2 });
    const parts = countedParts(await createEngine('wasm'), new SoloTransport());
    const { engine, communicator, meters } = parts;
    const whole = buildNetwork(mixed, engine, communicator);
    loadCheckpoint(
      checkpoint,
      { parameters: whole.parameters, optimizerState: null },
      communicator,
    );
    const input = engine.allocate([784, 5]);
    randomStream(1, 'x').fillNormal(numbersOf(input), 0);
    const forward = (network: typeof whole) =>
      numbersOf(network.forward(new Tape(engine, communicator), new Variable(input, false)).value);
    for (const ghosts of [1, 3, 4, 6]) {
      const shape = withFirstGhosts(mixed, ghosts);
      const fewer = buildNetwork(shape, engine, communicator);
      const nested = { ghosts, trained: layerGhosts };
      loadCheckpoint(
        checkpoint,
        { parameters: fewer.parameters, optimizerState: null, nested },
        communicator,
      );
      whole.useGhosts(ghosts);
      const before = meters.flops();
      assert.ok(relativeError(forward(whole), forward(fewer)) < 1e-6, `${ghosts} ghosts`);
      assert.equal(meters.flops() - before, 2 * stepCost(shape, 1, 5).forward.flops);
      assert.deepEqual(fewer.costs(5), whole.costs(5));
    }
    assert.throws(() => whole.useGhosts(7), /needs 1 to/);
  });
});
