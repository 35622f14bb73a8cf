import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import { USUAL_LOSS } from '#src/layers/loss-names.js';
import { STRATEGY_NAMES } from '#src/layers/strategies.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import { randomStream } from '#src/tensor/random.js';
import { assemble } from './assemble.js';
import type { PassRequest, PassResult } from './rank.js';

const RANK = new URL('rank.js', import.meta.url);
const [INPUTS, OUTPUTS, COLUMNS, DEPTH] = [13, 5, 11, 6];

type Shape = Partial<NetworkSpecification>;

const residual = { norm: 'rms', expansion: 2 } as const;
const gated = { norm: 'none', expansion: 1, gated: true } as const;
const NETWORKS: Shape[] = STRATEGY_NAMES.flatMap((strategy): Shape[] => [
  { strategy },
  { strategy, dropout: 0.25, compute: 'bfloat16' },
  { strategy, residual, dropout: 0.25 },
  { strategy, residual: gated, compute: 'bfloat16' },
  { strategy, residual, ends: { kind: 'sharded' } },
  { strategy, ends: { kind: 'sharded' }, dropout: 0.25 },
]);
NETWORKS.push(
  { ghostPrecision: 'int8' },
  ...(['float32', 'bfloat16', 'int8'] as const).map((ghostPrecision): Shape => ({
    ghostActivation: 'tanh',
    ghostPrecision,
  })),
  { residual, compute: 'bfloat16', input: 'phantom', head: 'phantom' },
);

function requestOf(shape: Shape, recompute: number): PassRequest {
  const specification: NetworkSpecification = {
    ...{ strategy: 'phantom', width: 32, depth: DEPTH, blocks: 4, ghosts: 3, activation: 'gelu' },
    ends: { kind: 'replicated', inputs: INPUTS, outputs: OUTPUTS },
    ...shape,
    ...(recompute > 0 && { recompute }),
  };
  const isSharded = specification.ends.kind === 'sharded';
  const [features, targets] = isSharded ? [32, 32] : [INPUTS, OUTPUTS];
  const x = new Float32Array(features * COLUMNS);
  randomStream(1, 'x').fillNormal(x, 0);
  const y = new Float32Array(targets * COLUMNS);
  randomStream(1, 'y').fillNormal(y, 0);
  const place = { engine: 'wasm', relaxedSimd: false, seed: 3, step: 6, columns: COLUMNS } as const;
  const loss = { loss: 'mse', lossOptions: USUAL_LOSS, weighted: false } as const;
  return { specification, ...place, ...loss, x, y, passes: 1 };
}

const COUNTS = [0, 1, 2, 4] as const;

for (const ranks of [1, 2]) {
  describe(`activations that are made again, on ${ranks} ranks`, () => {
    let results: PassResult[][] = [];
    before(async () => {
      const data = NETWORKS.flatMap((shape) => COUNTS.map((count) => requestOf(shape, count)));
      results = await launchRanks<PassResult[]>({ size: ranks, module: RANK, data }).done;
    });
    for (const [i, shape] of NETWORKS.entries()) {
      it(`give the same bits on less memory: ${JSON.stringify(shape)}`, () => {
        const of = (at: number) => results.map((one) => one[i * COUNTS.length + at]);
        const kept = of(0);
        for (const [at, count] of COUNTS.entries()) {
          const again = of(at);
          for (const [rank, { lossSum, allocatedBytes }] of again.entries()) {
            assert.equal(lossSum, kept[rank].lossSum);
            const all = kept[rank].allocatedBytes;
            // With two parts, everything is there when the backward pass begins.
            if (count > 0 && DEPTH / count > 2) assert.ok(allocatedBytes < all, `every ${count}`);
          }
          const expected = assemble(kept, 'gradient');
          for (const [name, { values }] of assemble(again, 'gradient')) {
            assert.deepEqual(values, expected.get(name)?.values, `every ${count}: ${name}`);
          }
        }
      });
    }
  });
}
