import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { evaluate } from '#src/app/evaluate/evaluate-run.js';
import { createEngine } from '#src/app/ranks/engines.js';
import { train } from '#src/app/train/train.js';
import { Tape, Variable } from '#src/autograd/tape.js';
import { Communicator } from '#src/communicators/communicator.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { DropoutDraws } from '#src/layers/dropout/draws.js';
import { STRATEGY_NAMES } from '#src/layers/strategies.js';
import { buildNetwork } from '#src/model/network.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { randomStream } from '#src/tensor/random.js';
import { ALL } from '../support/all.js';
import { losses, temporaryFolder } from '../support/files.js';
import { meanSquare } from '../support/squares.js';
import { numbersOf } from '../support/numbers.js';

const DATA = 'synthetic:teacher?widths=24,16,6&labels=argmax&validation=100';
const SETTINGS: Partial<TrainingSettings> = {
  ...{ width: 32, depth: 2, blocks: 4, ghosts: 3, dropout: 0.3, activation: 'gelu' },
  ...{ engine: 'wasm', data: DATA, batch: 24, steps: 6, lr: 0.01, seed: 2 },
  ...{ logEvery: 1, validateEvery: 6 },
};

/** Of a number of rows, on which a loss differs more than by chance. */
const IMAGES = { ...SETTINGS, data: 'fashion-10k' };

describe('dropout', () => {
  for (const [architecture, numbers] of [
    ['plain', ALL ? [2, 4] : [4]],
    ['residual', ALL ? [2, 4] : [2]],
  ] as const) {
    it(`drops the same on any ranks, replicas and micro-batches: ${architecture}`, async (context) => {
      const folder = temporaryFolder(context);
      const run = async (more: Partial<TrainingSettings>) => {
        const out = path.join(folder, Object.values(more).join('-'));
        const end = await train({ ...SETTINGS, architecture, ...more, out });
        return [...losses(out), end.validationLoss as number];
      };
      const expected = await run({ ranks: 1 });
      for (const ranks of numbers) assert.deepEqual(await run({ ranks }), expected);
      // Of sharded blocks with --all.
      const two = { ranks: ALL ? 2 : 1 };
      const others = [
        { ...two, accumulate: 3 },
        { ...two, replicas: 2, batch: 12 },
      ];
      for (const more of others) {
        for (const [i, loss] of (await run(more)).entries()) {
          // Sums over the batch in another order.
          assert.ok(Math.abs(loss - expected[i]) < 1e-5 * expected[i], `${i}: ${loss}`);
        }
      }
      const otherwise = await run({ ranks: 1, dropout: 0 });
      assert.ok(Math.abs(otherwise[1] - expected[1]) > 1e-3, 'nothing was dropped');
    });
  }

  it('is not in validations and evaluations', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const end = await train({ ...IMAGES, ranks: 2, out });
    const request = { model: out, data: null, engine: 'wasm', checkpoint: null } as const;
    const report = await evaluate({ ...request, ranks: 2, batch: 24 });
    assert.equal(report.loss, end.validationLoss);
    // Nothing that the best weights give in training is as good.
    const more = { ...IMAGES, ranks: 1, from: out, steps: 1, lr: 1e-30 };
    const trained = await train({ ...more, out: `${out}-2` });
    const still = await train({ ...more, dropout: 0, out: `${out}-3` });
    assert.ok((trained.loss ?? 0) > (still.loss ?? 0) * 1.01);
    assert.equal(trained.validationLoss, still.validationLoss);
  });

  for (const strategy of STRATEGY_NAMES) {
    it(`leaves the variance of what layers give as it is through depth: ${strategy}`, async () => {
      const specification: NetworkSpecification = {
        ...{ strategy, width: 256, depth: 8, blocks: 4, ghosts: 16, activation: 'relu' },
        ...{ dropout: 0.5, ends: { kind: 'sharded' } },
      };
      const engine = await createEngine('wasm');
      const communicator = new Communicator(new SoloTransport());
      const network = buildNetwork(specification, engine, communicator);
      network.initialize(4);
      network.useDropout(new DropoutDraws(1));
      const x = engine.allocate([256, 32]);
      randomStream(1, 'x').fillNormal(numbersOf(x), 0);
      const tape = new Tape(engine, communicator);
      const last = network.forward(tape, new Variable(x, false)).value;
      const square = meanSquare(engine, last);
      // Without the factor 1 − p of the initial variance it would be 2⁷.
      assert.ok(square > 0.4 && square < 2.5, `${square}`);
    });
  }
});
