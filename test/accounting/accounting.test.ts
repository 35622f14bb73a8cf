import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { largestPayloadBytes, parameterCount, stepCost } from '#src/analysis/network-cost.js';
import type { Operation } from '#src/layers/operations.js';
import { rankMemory } from '#src/analysis/step-memory.js';
import { stepProgram, type StepShape } from '#src/analysis/step-program.js';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import type { PassCost } from '#src/layers/cost.js';
import { canBeSharded, LOSSES } from '#src/layers/loss-names.js';
import { type Strategy, STRATEGY_NAMES } from '#src/layers/strategies.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import type { OptimizerName } from '#src/optimizers/optimizer-list.js';
import { GHOST_PRECISIONS, type GhostPrecision } from '#src/tensor/precision.js';
import { DTYPES } from '#src/tensor/tensor.js';
import { ALL } from '../support/all.js';
import { called } from './called.js';
import { largestPayloadFormula, parameterCountFormula, stepCostFormula } from './formulas.js';
import type { CountResult, Counts } from './rank.js';

const RANK = new URL('rank.js', import.meta.url);

const networks = fc
  .record({
    strategy: fc.constantFrom(...STRATEGY_NAMES),
    ranks: fc.constantFrom(1, 2, 3, 4),
    blocksPerRank: fc.constantFrom(1, 2, 3),
    blockWidths: fc.array(fc.integer({ min: 1, max: 24 }), { minLength: 5, maxLength: 5 }),
    widthsDiffer: fc.boolean(),
    splitInput: fc.boolean(),
    residual: fc.option(
      fc.record({
        norm: fc.constantFrom('rms', 'none'),
        expansion: fc.constantFrom(1, 2, 3),
        gated: fc.boolean(),
      }),
    ),
    splitHead: fc.boolean(),
    dropout: fc.constantFrom(0, 0.25),
    depth: fc.integer({ min: 1, max: 4 }),
    recompute: fc.constantFrom(0, 1, 2),
    ghosts: fc.array(fc.integer({ min: 1, max: 24 }), { minLength: 4, maxLength: 4 }),
    layersDiffer: fc.boolean(),
    columns: fc.integer({ min: 1, max: 20 }),
    ends: fc.option(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))),
    ghostPrecision: fc.constantFrom(...GHOST_PRECISIONS),
    ghostActivation: fc.option(fc.constantFrom('tanh', 'silu'), { nil: undefined }),
    compute: fc.constantFrom(...DTYPES),
    optimizer: fc.constantFrom<OptimizerName>('sgd', 'momentum', 'adam'),
    loss: fc.constantFrom(...LOSSES),
    weighted: fc.boolean(),
    average: fc.boolean(),
    inputGradient: fc.boolean(),
  })
  .filter(
    ({ strategy, ranks, blocksPerRank }) => strategy !== 'phantom' || ranks * blocksPerRank > 1,
  )

  .map((drawn): StepShape => {
    const { ranks, blocksPerRank, ghosts, ends, columns, optimizer } = drawn;
    const { weighted, average, inputGradient, strategy, depth, ghostPrecision } = drawn;
    const blocks = ranks * blocksPerRank;
    const same = Array.from({ length: depth + 1 }, () => drawn.blockWidths[0]);
    const { residual } = drawn;
    const { compute } = drawn;
    // Ghosts that are multiplied in bfloat16 are rounded anyway.
    const isRounded = compute === 'bfloat16' && ghostPrecision === 'float32';
    const precision = isRounded ? compute : ghostPrecision;
    const widthsDiffer = drawn.widthsDiffer && residual === null;
    const blockWidths = widthsDiffer ? drawn.blockWidths.slice(0, depth + 1) : same;
    const widths = blockWidths.map((width) => blocks * width);
    const layerGhosts = ghosts.slice(0, depth).map((count, l) => Math.min(count, blockWidths[l]));
    const differ = strategy === 'phantom' && (drawn.layersDiffer || widthsDiffer);
    const split = strategy === 'phantom' ? 'phantom' : 'gather';
    const isSplit = ends !== null && drawn.splitHead;
    const loss = (ends && !isSplit) || canBeSharded(drawn.loss) ? drawn.loss : 'mse';
    const quantiles = loss === 'quantile' ? 3 : 1;
    const specification: NetworkSpecification = {
      strategy,
      depth,
      width: Math.max(...widths),
      ...(widthsDiffer && { widths }),
      ...(residual && { residual }),
      ...(drawn.dropout > 0 && { dropout: drawn.dropout }),
      ...(drawn.recompute > 0 && { recompute: drawn.recompute }),
      blocks,
      ghosts: Math.max(...layerGhosts),
      ...(differ && { layerGhosts }),
      compute,
      ...(strategy === 'phantom' && { ghostPrecision: precision }),
      ...(strategy === 'phantom' &&
        drawn.ghostActivation && { ghostActivation: drawn.ghostActivation }),
      activation: 'tanh',
      ...(ends && drawn.splitInput && { input: split }),
      ...(ends && drawn.splitHead && { head: split }),
      ends: ends
        ? {
            kind: 'replicated',
            inputs: ends[0],
            outputs: ends[1] * quantiles,
          }
        : { kind: 'sharded' },
    };
    const sizes = { columns, ranks, quantiles, weighted };
    return { specification, ...sizes, optimizer, loss, average, inputGradient };
  });

function pick({ flops, sentBytes, receivedBytes, collectives }: PassCost): Counts {
  return { flops, sentBytes, receivedBytes, collectives };
}

/**
 * Products and collectives come in the order of the analysis; passes over memory are the same, but
 * sums over blocks may come in the order of their tree.
 */
function compareCalls(
  program: readonly Operation[],
  calls: readonly string[],
  copies: number,
): void {
  // A batch is copied into the engine's memory without a kernel.
  const predicted = program
    .slice(copies)
    .filter((operation) => {
      if (operation.kind === 'start') return operation.of === 'network';
      return operation.kind !== 'wait' || operation.start.of === 'network';
    })
    .map(called);
  const ordered = (call: string) => /^(product|start|wait)/.test(call);
  assert.deepEqual(calls.filter(ordered), predicted.filter(ordered));
  const passes = (list: readonly string[]) => list.filter((call) => !ordered(call)).toSorted();
  // The gradient of the loss itself is set to one.
  assert.deepEqual(passes(calls), passes([...predicted, 'fill 1']));
}

/** @param results of each rank */
function compareCounts(shape: StepShape, results: readonly CountResult[]): void {
  const { specification, columns, ranks, inputGradient } = shape;
  const predicted = stepCostFormula(specification, ranks, columns, inputGradient);
  assert.deepEqual(stepCost(specification, ranks, columns, inputGradient), predicted);
  const payload = largestPayloadFormula(specification, ranks, columns);
  assert.equal(largestPayloadBytes(specification, ranks, columns), payload);
  for (const [rank, result] of results.entries()) {
    assert.deepEqual(result.forward, pick(predicted.forward));
    assert.deepEqual(result.total, pick(predicted.total));
    assert.deepEqual(result.total, result.stated);
    assert.equal(result.allocatedBytes, rankMemory(shape, rank).totalBytes);
    compareCalls(stepProgram(shape, rank), result.calls, shape.weighted ? 3 : 2);
  }
  const parameters = results.reduce((sum, result) => sum + result.parameters, 0);
  assert.equal(parameters, parameterCountFormula(specification));
  assert.equal(parameters, parameterCount(specification));
}

describe('what a step counts', () => {
  it('is exactly what the formulas, the operators and the analysis say', async () => {
    const shapes = fc.sample(networks, ALL ? 40 : 20);
    // The ranks of all networks on as many are the same: a thread takes as long to start as ten steps.
    for (const ranks of [1, 2, 3, 4]) {
      const data = shapes.filter((shape) => shape.ranks === ranks);
      const { done } = launchRanks<CountResult[]>({ size: ranks, module: RANK, data });
      const counted = await done;
      for (const [i, shape] of data.entries()) {
        try {
          compareCounts(
            shape,
            counted.map((results) => results[i]),
          );
        } catch (error) {
          throw new Error(`of ${JSON.stringify(shape)}`, { cause: error });
        }
      }
    }
  });

  it('is, of a normalization in residual blocks, a row more and no collective', () => {
    const ends = { kind: 'sharded' } as const;
    const [N, P, K, L, B] = [64, 4, 3, 3, 10] as const;
    const common = { width: N, depth: L, blocks: P, ghosts: K, activation: 'relu', ends } as const;
    const step = (strategy: Strategy, norm: 'rms' | 'none') =>
      stepCost({ ...common, strategy, residual: { norm, expansion: 2 } }, P, B, true);
    for (const strategy of STRATEGY_NAMES) {
      for (const pass of ['forward', 'backward'] as const) {
        const [normed, plain] = [step(strategy, 'rms')[pass], step(strategy, 'none')[pass]];
        assert.equal(normed.collectives, plain.collectives, `${strategy} ${pass}`);
        assert.equal(normed.flops, plain.flops);
        // Of each block's two layers the first is normalized.
        const rides = strategy === 'phantom' || (strategy === 'tensor' && pass === 'backward');
        const more = rides ? L * 4 * (P - 1) * B : 0;
        assert.equal(normed.sentBytes - plain.sentBytes, more, `${strategy} ${pass}`);
      }
    }
    // Paired: one all-reduce a block and pass, besides one gather at each end.
    const { forward, backward } = step('tensor-paired', 'rms');
    assert.deepEqual([forward.collectives, backward.collectives], [L + 1, L + 1]);
  });

  it('is what low precision sends of a layer', () => {
    const ends = { kind: 'sharded' } as const;
    const [K, L, B] = [3, 2, 10] as const;
    const network = { width: 64, depth: L, ghosts: K, activation: 'relu', ends } as const;
    const sent = (blocks: number, ranks: number, ghostPrecision: GhostPrecision) => {
      const specification = { ...network, strategy: 'phantom', blocks, ghostPrecision } as const;
      return stepCost(specification, ranks, B).total.sentBytes;
    };
    assert.equal(sent(4, 4, 'float32'), L * 2 * 3 * K * 4 * B);
    assert.equal(sent(4, 4, 'bfloat16'), L * 2 * 3 * K * 2 * B);
    assert.equal(sent(4, 4, 'int8'), L * 2 * 3 * K * (4 + B));
    // Two blocks on a rank: each sends its own contribution to each of the other rank's blocks.
    assert.equal(sent(4, 2, 'int8'), L * (2 * K * (4 + B) + 4 * K * (4 + B)));
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
