import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  launchRanks,
  type NetworkSpecification,
  type OptimizerName,
  parameterCount,
  type RankCost,
  stepCost,
  type Strategy,
  trainingBytes,
} from 'phantom-parallel';
import type { CountRequest, CountResult, Counts } from './rank.js';

const RANK = new URL('rank.js', import.meta.url);

const networks = fc
  .record({
    strategy: fc.constantFrom<Strategy>('phantom', 'tensor', 'tensor-paired'),
    ranks: fc.constantFrom(1, 2, 3, 4),
    blocksPerRank: fc.constantFrom(1, 2, 3),
    blockWidth: fc.integer({ min: 1, max: 24 }),
    depth: fc.integer({ min: 1, max: 4 }),
    ghosts: fc.integer({ min: 1, max: 24 }),
    columns: fc.integer({ min: 1, max: 20 }),
    ends: fc.option(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))),
    optimizer: fc.constantFrom<OptimizerName>('sgd', 'momentum', 'adam'),
  })
  .filter(
    ({ strategy, ranks, blocksPerRank }) => strategy !== 'phantom' || ranks * blocksPerRank > 1,
  )
  .map(({ ranks, blocksPerRank, blockWidth, ghosts, ends, columns, optimizer, ...rest }) => {
    const blocks = ranks * blocksPerRank;
    const specification: NetworkSpecification = {
      ...rest,
      width: blocks * blockWidth,
      blocks,
      ghosts: Math.min(ghosts, blockWidth),
      activation: 'tanh',
      ends: ends
        ? {
            kind: 'replicated',
            inputs: ends[0],
            outputs: ends[1],
          }
        : { kind: 'sharded' },
    };
    return { specification, columns, ranks, optimizer };
  });

function pick({ flops, sentBytes, receivedBytes }: RankCost): Counts {
  return { flops, sentBytes, receivedBytes };
}

describe('what a step counts', () => {
  it('is exactly what the formulas and the operators say', async () => {
    await fc.assert(
      fc.asyncProperty(networks, async ({ specification, columns, ranks, optimizer }) => {
        const data: CountRequest = { specification, columns, optimizer };
        const { done } = launchRanks<CountResult>({ size: ranks, module: RANK, data });
        const results = await done;
        const predicted = stepCost(specification, ranks, columns);
        for (const result of results) {
          assert.deepEqual(result.forward, pick(predicted.forward));
          assert.deepEqual(result.total, pick(predicted.total));
          assert.deepEqual(result.total, result.stated);
        }
        const parameters = results.reduce((sum, result) => sum + result.parameters, 0);
        assert.equal(parameters, parameterCount(specification));

        // Each tensor is padded to 64 bytes; there are at most 40 of them a block and layer.
        const { total } = trainingBytes(specification, ranks, columns, optimizer);
        const tensors = 24 * (specification.depth + 2) * (specification.blocks / ranks);
        const held = results[0]?.allocatedBytes ?? 0;
        assert.ok(held >= total, `${held} bytes held, ${total} predicted`);
        assert.ok(held <= total + 64 * tensors, `${held} bytes held, ${total} predicted`);
      }),
      { numRuns: 40, seed: 7 },
    );
  });

  it('is fact 4 of a layer at R = P, summed over layers and passes', () => {
    const [N, P, K, L, B] = [64, 4, 3, 3, 10] as const;
    const M = N / P;
    const ends = { kind: 'replicated', inputs: 5, outputs: 2 } as const;
    const common = { width: N, depth: L, blocks: P, ghosts: K, activation: 'relu', ends } as const;
    const ports = 2 * B * M * (2 * 5 + 3 * 2); // input without dx, head
    const logits = 2 * (P - 1) * Math.ceil((2 * B) / P) * 4;
    const phantom = stepCost({ ...common, strategy: 'phantom' }, P, B).total;
    assert.equal(phantom.flops, 3 * L * 2 * B * (M * M + P * K * M) + ports);
    assert.equal(phantom.receivedBytes, 2 * L * 4 * (P - 1) * K * B + logits);
    const tensor = stepCost({ ...common, strategy: 'tensor' }, P, B).total;
    assert.equal(tensor.flops, (3 * L * 2 * B * N * N) / P + ports);
    assert.equal(tensor.sentBytes, 2 * L * 4 * (P - 1) * M * B + logits);
    const each = (strategy: Strategy) =>
      parameterCount({ ...common, strategy, ends: { kind: 'sharded' } }) / P;
    assert.equal(each('phantom'), L * (M * M + P * K * M + M));
    assert.equal(each('tensor'), L * ((N * N) / P + M));
  });
});
