import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createEngine } from '#src/app/ranks/engines.js';
import { checkGradients, type GradientCheck } from '#src/autograd/gradient-check.js';
import type { Operator, OperatorContext } from '#src/autograd/operator.js';
import { Tape } from '#src/autograd/tape.js';
import { Communicator } from '#src/communicators/communicator.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import { BiasActivation } from '#src/layers/bias-activation.js';
import { blockLayout } from '#src/layers/block-layout.js';
import { ColumnLinear } from '#src/layers/column/operator.js';
import { GatherLinear } from '#src/layers/gather/operator.js';
import { PhantomLinear } from '#src/layers/phantom/operator.js';
import { RowLinear } from '#src/layers/row/operator.js';
import type { Tensor } from '#src/tensor/tensor.js';
import type { CheckRequest } from './rank.js';

const [M, B, P, K, F] = [5, 7, 4, 2, 6];
const layout = blockLayout(P, 1, 0);
const blocks = Array.from({ length: P });
const each = (shape: number[]) => blocks.map(() => shape);

function worst(checks: GradientCheck[], tolerance: number) {
  for (const check of checks) {
    assert.ok(check.error < tolerance, `input ${check.input}: ${JSON.stringify(check)}`);
  }
}

describe('gradients of the operators against difference quotients', () => {
  const rows = blocks.map((_, j) => ({ from: j * M, count: M }));
  const linear: [Operator, number[][]][] = [
    [
      new PhantomLinear('phantom', layout, M, K),
      [[P * M, B], ...each([M, M]), ...each([K, M]), ...each([M, (P - 1) * K])],
    ],
    [new GatherLinear('gather', layout, M), [[P * M, B], ...each([M, P * M])]],
    [new ColumnLinear('column', layout, M, F), [[F, B], ...each([M, F])]],
    [new RowLinear('row', layout, M, P * M, rows), [[P * M, B], ...each([P * M, M]), ...each([M])]],
  ];
  for (const [operator, shapes] of linear) {
    it(operator.name, async () => {
      const engine = await createEngine('wasm');
      // Products are linear in each input: the quotients have rounding errors only.
      worst(checkGradients(operator, shapes, { engine }), 1e-3);
    });
  }
  for (const activation of ['relu', 'gelu', 'silu', 'tanh', 'identity'] as const) {
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

  it('on two ranks, through their collectives', async () => {
    for (const kind of ['phantom', 'gather', 'column', 'row'] as const) {
      const data: CheckRequest = { kind, blockWidth: M, columns: B, blocks: P, ghosts: K };
      const module = new URL('rank.js', import.meta.url);
      const { done } = launchRanks<GradientCheck[]>({ size: 2, module, data });
      for (const checks of await done) worst(checks, 1e-3);
    }
  });

  it('are written anew in every pass, also those of data', async () => {
    const engine = await createEngine('wasm');
    const tape = new Tape(engine, new Communicator(new SoloTransport()));
    const x = tape.variable(engine.allocate([2 * M, B]), true);
    const weights = [0, 1].map(() => tape.variable(engine.allocate([M, 2 * M]), true));
    for (const { value } of [x, ...weights]) value.data.fill(0.5);
    const operator = new GatherLinear('gather', blockLayout(2, 1, 0), M);
    const gradients = [0, 1, 2].map(() => {
      tape.begin();
      tape.backward(tape.apply(operator, x, ...weights));
      return [x, ...weights].map(({ gradient }) => gradient?.data.slice());
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
