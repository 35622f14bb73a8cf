import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createEngine } from '#src/app/ranks/engines.js';
import { checkGradients, type GradientCheck } from '#src/autograd/gradient-check.js';
import type { Operator, OperatorContext } from '#src/autograd/operator.js';
import { Tape } from '#src/autograd/tape.js';
import { Communicator } from '#src/communicators/communicator.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import { ACTIVATION_NAMES } from '#src/engines/activations.js';
import { BiasActivation } from '#src/layers/bias-activation/operator.js';
import { blockLayout } from '#src/layers/block-layout.js';
import { DropoutDraws } from '#src/layers/dropout/draws.js';
import { Dropout } from '#src/layers/dropout/operator.js';
import { Gated } from '#src/layers/gated/operator.js';
import { GatherLinear } from '#src/layers/gather/operator.js';
import { KINDS } from '#src/layers/kinds.js';
import type { Tensor } from '#src/tensor/tensor.js';
import { layerCase, layerSizes } from './layer-case.js';
import type { CheckRequest } from './rank.js';
import { numbersOf } from '../support/numbers.js';

const [M, B] = [5, 7];
const NORMED: ReadonlySet<string> = new Set(['phantom', 'gather']);
const NORMALIZED = { normalized: true };

function worst(checks: GradientCheck[], tolerance: number) {
  for (const check of checks) {
    assert.ok(check.error < tolerance, `input ${check.input}: ${JSON.stringify(check)}`);
  }
}

describe('gradients of the operators against difference quotients', () => {
  for (const kind of Object.values(KINDS)) {
    const forms = [{}, { storedWhole: true }, ...(NORMED.has(kind.name) ? [NORMALIZED] : [])];
    for (const form of forms) {
      it(`${kind.name} ${JSON.stringify(form)}`, async () => {
        const engine = await createEngine('wasm');
        const layer = layerSizes(kind, form);
        const { operator, shapes } = layerCase(kind, layer, B, { rank: 0, size: 1 });
        // Products are linear in each input: the quotients have rounding errors only.
        worst(checkGradients(operator, shapes, { engine }), 1e-3);
      });
    }
  }
  for (const ghostActivation of ['tanh', 'gelu'] as const) {
    it(`phantom with ${ghostActivation} on its ghosts`, async () => {
      const engine = await createEngine('wasm');
      const layer = layerSizes(KINDS.phantom, { ghostActivation });
      const { operator, shapes } = layerCase(KINDS.phantom, layer, B, { rank: 0, size: 1 });
      worst(checkGradients(operator, shapes, { engine }), 5e-3);
    });
  }
  for (const activation of ACTIVATION_NAMES) {
    it(activation, async () => {
      const engine = await createEngine('wasm');
      // Away from zero, where ReLU has a kink.
      const z = Float32Array.from({ length: 3 * M * B }, (_, i) => ((i % 13) - 6.4) / 3);
      const operator = new BiasActivation(activation, activation);
      const values = [z, new Float32Array(2 * M), new Float32Array(M)];
      const shapes = [[3 * M, B], [2 * M], [M]];
      worst(checkGradients(operator, shapes, { engine, values }), 2e-3);
    });
  }

  for (const activation of ['silu', 'gelu', 'identity'] as const) {
    it(`a gate of ${activation}, and dropout`, async () => {
      const engine = await createEngine('wasm');
      const gate = new Gated(activation, activation);
      worst(checkGradients(gate, [[4 * M, B], [2 * M], [2 * M]], { engine }), 2e-3);
      const dropout = new Dropout('dropout', { rate: 0.4, layer: 2, firstRow: 3 });
      dropout.draws = new DropoutDraws(5);
      worst(checkGradients(dropout, [[2 * M, B]], { engine }), 1e-3);
    });
  }

  it('on two ranks, through their collectives', async () => {
    const requests = Object.keys(KINDS).flatMap((kind) =>
      [false, true].map((storedWhole) => {
        const normalized = storedWhole && NORMED.has(kind);
        return { kind, storedWhole, columns: B, normalized } as CheckRequest;
      }),
    );
    const module = new URL('rank.js', import.meta.url);
    const { done } = launchRanks<GradientCheck[][]>({ size: 2, module, data: requests });
    for (const checked of await done) {
      assert.equal(checked.length, requests.length);
      for (const checks of checked) worst(checks, 1e-3);
    }
  });

  it('are written anew in every pass, also those of data', async () => {
    const engine = await createEngine('wasm');
    const tape = new Tape(engine, new Communicator(new SoloTransport()));
    const x = tape.variable(engine.allocate([2 * M, B]), true);
    const weights = [0, 1].map(() => tape.variable(engine.allocate([M, 2 * M]), true));
    for (const { value } of [x, ...weights]) numbersOf(value).fill(0.5);
    const operator = new GatherLinear(
      { name: 'gather', inputs: 2 * M, outputs: 2 * M },
      blockLayout(2, 1, 0),
    );
    const gradients = [0, 1, 2].map(() => {
      tape.begin();
      tape.backward(tape.apply(operator, x, ...weights));
      return [x, ...weights].map(({ gradient }) => gradient && numbersOf(gradient).slice());
    });
    assert.deepEqual(gradients[1], gradients[0]);
    assert.deepEqual(gradients[2], gradients[0]);
  });

  it('finds a wrong gradient', async () => {
    const engine = await createEngine('wasm');
    const scaled: Operator = {
      name: 'twice, with a gradient of three',
      forward(context: OperatorContext, x: Tensor) {
        const out = context.buffer('out', ...x.shape);
        context.engine.add(x, x, out);
        return out;
      },
      backward(context: OperatorContext, dOutput: Tensor) {
        const dx = context.buffer('dx', ...dOutput.shape);
        context.engine.copy(dOutput, dx);
        context.engine.scale(3, dx);
        context.giveGradient(0, dx);
      },
    };
    const [check] = checkGradients(scaled, [[4, 3]], { engine });
    assert.ok((check?.error ?? 0) > 0.3);
  });
});
