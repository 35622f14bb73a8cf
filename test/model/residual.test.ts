import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planStep } from '#src/analysis/plan.js';
import { createEngine } from '#src/app/ranks/engines.js';
import { ForwardMemory, ForwardPass } from '#src/autograd/forward-pass.js';
import { Tape, Variable } from '#src/autograd/tape.js';
import { Communicator } from '#src/communicators/communicator.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { blockLayout } from '#src/layers/block-layout.js';
import type { LayerKind } from '#src/layers/kind.js';
import { KINDS } from '#src/layers/kinds.js';
import { kindsOf } from '#src/layers/network-kinds.js';
import { STRATEGY_NAMES } from '#src/layers/strategies.js';
import { readMachine } from '#src/machine/machines.js';
import { buildNetwork } from '#src/model/network.js';
import { type NetworkSpecification, validateSpecification } from '#src/model/specification.js';
import { createOptimizer } from '#src/optimizers/optimizer.js';
import { randomStream } from '#src/tensor/random.js';
import { createObjective } from '#src/training/objective.js';
import { treeSum } from '#src/layers/block-sum.js';
import { meanSquare } from '../support/squares.js';
import { numbersOf } from '../support/numbers.js';

function specification(more: Partial<NetworkSpecification> = {}): NetworkSpecification {
  return {
    ...{ strategy: 'phantom', width: 32, depth: 3, blocks: 4, ghosts: 4, activation: 'gelu' },
    residual: { norm: 'rms', expansion: 2 },
    ends: { kind: 'replicated', inputs: 6, outputs: 3 },
    ...more,
  };
}

async function build(network: NetworkSpecification) {
  const engine = await createEngine('wasm');
  const communicator = new Communicator(new SoloTransport());
  const built = buildNetwork(network, engine, communicator);
  built.initialize(4);
  return { engine, communicator, network: built };
}

describe('a network of residual blocks', () => {
  it('takes other kinds of layer than its strategy has, which have to fit the stream', async () => {
    const engine = await createEngine('wasm');
    const ranks = { rank: 0, size: 1 };
    const built = (block: { up: LayerKind; down: LayerKind }) =>
      buildNetwork(specification(), engine, ranks, {
        kinds: { ...kindsOf('phantom', 3), block },
      });
    const { phantom, gather, column } = KINDS;
    const mixed = built({ up: phantom, down: gather });
    const names = new Set(mixed.parameters.map(({ name }) => name));
    assert.ok(names.has('layers.2.up.compressor.0'));
    assert.ok(names.has('layers.2.down.weight.0'));
    assert.ok(!names.has('layers.2.down.compressor.0'));
    assert.throws(() => built({ up: column, down: gather }), {
      message:
        '[network] up (column) takes a replicated activation, ' +
        'the stream of the blocks gives a sharded one; choose other kinds',
    });
  });

  for (const strategy of STRATEGY_NAMES) {
    it(`answers with the bits of a training pass, in memory that is used again: ${strategy}`, async () => {
      const residual = { norm: 'rms', expansion: 2, gated: true } as const;
      const built = await build(specification({ strategy, residual }));
      const { engine, communicator, network } = built;
      const x = engine.allocate([6, 5]);
      randomStream(1, 'x').fillNormal(numbersOf(x), 0);
      const input = new Variable(x, false);
      const counts = strategy === 'phantom' ? [4, 1, 3] : [0];
      for (const ghosts of counts) {
        if (ghosts > 0) network.useGhosts(ghosts);
        const trained = numbersOf(
          network.forward(new Tape(engine, communicator), input).value,
        ).slice();
        const pass = new ForwardPass(engine, communicator, new ForwardMemory(engine));
        for (let round = 0; round < 2; round++) {
          pass.begin();
          const { value } = network.forward(pass, input);
          assert.deepEqual(numbersOf(value), trained, `${ghosts} ghosts`);
        }
      }
    });

    it(`begins with a stream whose variance grows from 1 to 1.5: ${strategy}`, async () => {
      for (const [norm, gated] of [
        ['rms', false],
        ['none', false],
        ['rms', true],
      ] as const) {
        const residual = { norm, expansion: 2, gated };
        const sizes = { width: 128, depth: 16, ghosts: 16, ends: { kind: 'sharded' } } as const;
        const built = await build(specification({ strategy, residual, ...sizes }));
        const { engine, communicator, network } = built;
        const x = engine.allocate([128, 16]);
        randomStream(1, 'x').fillNormal(numbersOf(x), 0);
        const tape = new Tape(engine, communicator);
        network.forward(tape, new Variable(x, false));
        const square = ({ value }: Variable) => meanSquare(engine, value);
        const at = (end: RegExp) =>
          tape.outputs().filter(({ operator }) => end.test(operator.name));
        for (const { operator, output } of at(/\.residual$/)) {
          const l = Number(/\d+/.exec(operator.name)?.[0]);
          const expected = 1 + (l + 1) / 32;
          const name = `${operator.name} ${norm} ${gated}`;
          assert.ok(Math.abs(square(output) / expected - 1) < 0.35, name);
        }
        for (const { operator, output } of at(/\.up$/)) {
          assert.ok(
            Math.abs(square(output) - 1) < 0.5,
            `${operator.name} ${norm} ${square(output)}`,
          );
        }
      }
    });
  }

  it('of 16 blocks trains', async () => {
    const { engine, communicator, network } = await build(specification({ depth: 16 }));
    const columns = 16;
    const layout = blockLayout(4, 1, 0);
    const objective = createObjective({
      ...{ specification: network.specification, loss: 'mse', layout, engine },
      ...{ columns, samples: columns },
    });
    randomStream(2, 'x').fillNormal(numbersOf(objective.x.value), 0);
    randomStream(2, 'y').fillNormal(numbersOf(objective.y.value), 0);
    const constants = { momentum: 0, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 };
    const adam = createOptimizer({ ...constants, name: 'adam' }, engine, network.parameters);
    const tape = new Tape(engine, communicator);
    const losses: number[] = [];
    for (let step = 1; step <= 40; step++) {
      for (const parameter of network.parameters) parameter.clearGradient();
      tape.begin();
      const loss = tape.apply(objective.loss, network.forward(tape, objective.x), objective.y);
      const { blockSums } = objective.loss.read(engine);
      losses.push(treeSum(blockSums) * objective.loss.scale);
      tape.backward(loss);
      adam.step(step, 0.003, 1);
    }
    assert.ok((losses.at(-1) ?? 1) < losses[0] / 4, losses.map((x) => x.toFixed(3)).join(' '));
  });

  it('is planned from a machine file that is older than its kernels, which is said', async () => {
    const machine = await readMachine('machines/epyc-2-cores.json');
    const shape = { ranks: 2, columns: 8, loss: 'mse', optimizer: 'adam' } as const;
    const older = { ...specification({ blocks: 2 }), activation: 'sine' } as const;
    const plan = planStep(
      { ...shape, specification: older, average: false, inputGradient: false },
      machine,
    );
    assert.ok((plan.time?.stepS ?? 0) > 0);
    assert.ok(plan.notes.some((note) => /no times for .*column dots.*activation sine/.test(note)));
  });

  it('refuses what it cannot be', () => {
    const refused = (more: Partial<NetworkSpecification>, message: RegExp) =>
      assert.throws(() => validateSpecification(specification(more)), message);
    refused({ residual: { norm: 'rms', expansion: 1.5 } }, /expansion is 1.5/);
    refused({ residual: { norm: 'layer' as 'rms', expansion: 2 } }, /norm is layer/);
    refused({ widths: [32, 32, 32, 32] }, /widths of residual blocks/);
    const compute = 'bfloat16' as const;
    refused({ compute, ghostPrecision: 'float32' }, /leave ghost precision out, or use int8/);
  });
});
