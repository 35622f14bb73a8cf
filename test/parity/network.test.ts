import { isOfClasses, type LossName, outputsPerTarget } from '#src/layers/loss-names.js';
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { blasAvailable } from '#src/app/ranks/engines.js';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import type { Activation } from '#src/engines/activations.js';
import { DropoutDraws } from '#src/layers/dropout/draws.js';
import type { Strategy } from '#src/layers/strategies.js';
import { inputWidth, type NetworkSpecification, outputWidth } from '#src/model/specification.js';
import { randomStream } from '#src/tensor/random.js';
import { dense, joined } from '../reference/matrix.js';
import { lossAndGradients } from '../reference/network.js';
import { residualLossAndGradients } from '../reference/residual.js';
import { ALL } from '../support/all.js';
import { assemble, relativeError } from './assemble.js';
import type { PassRequest, PassResult } from './rank.js';

/** Numbers of ranks beside one. */
const MORE_RANKS = ALL ? [2, 4, 8] : [4];

const RANK = new URL('rank.js', import.meta.url);

/** @returns of each request, the results of all ranks */
async function pass(data: readonly PassRequest[], ranks: number): Promise<PassResult[][]> {
  const { done } = launchRanks<PassResult[]>({ size: ranks, module: RANK, data });
  const byRank = await done;
  return data.map((_, i) => byRank.map((results) => results[i]));
}

interface Case {
  readonly strategy: Strategy;
  readonly ends: 'replicated' | 'sharded';
  readonly loss: LossName;
  readonly activation: Activation;
  readonly depth: number;
  readonly layerGhosts?: readonly number[];
  readonly weighted?: boolean;
  /** Widths that change, and ends that are split over the blocks. */
  readonly other?: Partial<
    Pick<
      NetworkSpecification,
      | 'width'
      | 'widths'
      | 'input'
      | 'head'
      | 'residual'
      | 'dropout'
      | 'compute'
      | 'ghostPrecision'
      | 'ghostActivation'
    >
  >;
}

const DIFFERENT = { strategy: 'phantom', activation: 'relu', layerGhosts: [1, 3, 2] } as const;
const CASES: Case[] = (['phantom', 'tensor', 'tensor-paired'] as const).flatMap((strategy) => [
  { strategy, ends: 'replicated', loss: 'cross-entropy', activation: 'relu', depth: 2 },
  { strategy, ends: 'replicated', loss: 'mse', activation: 'gelu', depth: 3 },
  { strategy, ends: 'sharded', loss: 'mse', activation: 'tanh', depth: 3 },
  { strategy, ends: 'sharded', loss: 'mse', activation: 'silu', depth: 2 },
]);
const PLAIN = { strategy: 'phantom', ends: 'replicated', activation: 'relu', depth: 2 } as const;
const SHARDED = { ...PLAIN, ends: 'sharded', weighted: true } as const;
CASES.push(
  { ...PLAIN, loss: 'cross-entropy', weighted: true },
  { ...PLAIN, loss: 'binary-cross-entropy', weighted: true },
  { ...PLAIN, loss: 'quantile' },
  { ...PLAIN, loss: 'quantile', weighted: true },
  { ...SHARDED, loss: 'mse' },
  { ...SHARDED, loss: 'mae' },
  { ...SHARDED, loss: 'huber' },
  { ...SHARDED, loss: 'poisson', weighted: false },
);
CASES.push(
  { ...DIFFERENT, ends: 'replicated', loss: 'cross-entropy', depth: 3 },
  { ...DIFFERENT, ends: 'sharded', loss: 'mse', depth: 3 },
);

for (const [strategy, split] of [
  ['phantom', 'phantom'],
  ['tensor', 'gather'],
  ['tensor-paired', 'gather'],
] as const) {
  const widths = { width: 48, widths: [32, 48, 24] };
  const replicated = { strategy, ends: 'replicated', activation: 'tanh', depth: 2 } as const;
  CASES.push(
    { ...replicated, loss: 'mse', other: { ...widths, input: split, head: split } },
    { ...replicated, loss: 'cross-entropy', other: { ...widths, input: split } },
    { strategy, ends: 'sharded', loss: 'mse', activation: 'elu', depth: 2, other: widths },
  );
}

for (const [strategy, split] of [
  ['phantom', 'phantom'],
  ['tensor', 'gather'],
  ['tensor-paired', 'gather'],
] as const) {
  const replicated = { strategy, ends: 'replicated', depth: 2 } as const;
  const residual = { norm: 'rms', expansion: 2 } as const;
  const plain = { norm: 'none', expansion: 1 } as const;
  const gated = { norm: 'rms', expansion: 1, gated: true } as const;
  const ends = { input: split, head: split };
  CASES.push(
    { ...replicated, loss: 'cross-entropy', activation: 'gelu', other: { residual } },
    { ...replicated, loss: 'mse', activation: 'tanh', other: { residual, ...ends } },
    { ...replicated, loss: 'mse', activation: 'silu', other: { residual: plain } },
    { ...replicated, loss: 'mse', activation: 'silu', other: { residual: gated, dropout: 0.25 } },
    {
      strategy,
      ends: 'sharded',
      loss: 'mse',
      activation: 'gelu',
      depth: 2,
      other: { residual: gated },
    },
    { ...replicated, loss: 'mse', activation: 'gelu', other: { residual, dropout: 0.25 } },
    { ...replicated, loss: 'cross-entropy', activation: 'gelu', other: { dropout: 0.25 } },
    { strategy, ends: 'sharded', loss: 'mse', activation: 'elu', depth: 2, other: { residual } },
  );
}

for (const [strategy, split] of [
  ['phantom', 'phantom'],
  ['tensor', 'gather'],
  ['tensor-paired', 'gather'],
] as const) {
  const compute = 'bfloat16' as const;
  const replicated = { strategy, ends: 'replicated', depth: 3 } as const;
  CASES.push(
    { ...replicated, loss: 'cross-entropy', activation: 'elu', other: { compute } },
    { ...replicated, loss: 'mse', activation: 'gelu', other: { compute } },
    {
      ...{ ...replicated, loss: 'mse', activation: 'tanh' },
      other: { compute, input: split, head: split },
    },
    { strategy, ends: 'sharded', loss: 'mse', activation: 'silu', depth: 2, other: { compute } },
  );
  const residual = { norm: 'rms', expansion: 2 } as const;
  const gated = { norm: 'rms', expansion: 1, gated: true } as const;
  const plain = { norm: 'none', expansion: 1 } as const;
  const blocks = { ...replicated, depth: 2, loss: 'mse', activation: 'gelu' } as const;
  CASES.push(
    { ...blocks, other: { compute, residual } },
    { ...blocks, other: { compute, residual, input: split, head: split } },
    { ...blocks, other: { compute, residual: plain } },
    { ...blocks, other: { compute, residual: gated, dropout: 0.25 } },
    { ...blocks, ends: 'sharded', other: { compute, residual: gated } },
  );
  if (strategy !== 'phantom') continue;
  // int8 is as exact as bfloat16 for the largest number of a row, and these rows have eleven.
  CASES.push(
    { ...blocks, other: { compute, ghostPrecision: 'int8' } },
    { ...blocks, other: { ghostPrecision: 'int8', residual } },
  );
}
CASES.push({
  ...{ ...DIFFERENT, activation: 'gelu', ends: 'sharded', loss: 'mse', depth: 3 },
  other: { compute: 'bfloat16' },
});

{
  const replicated = { strategy: 'phantom', ends: 'replicated', depth: 2 } as const;
  const [input, head, ghostActivation] = ['phantom', 'phantom', 'tanh'] as const;
  const residual = { norm: 'rms', expansion: 1, gated: true } as const;
  const unnormed = { norm: 'none', expansion: 2 } as const;
  CASES.push(
    { ...replicated, loss: 'cross-entropy', activation: 'gelu', other: { ghostActivation } },
    { ...replicated, loss: 'mse', activation: 'tanh', other: { ghostActivation, input, head } },
    {
      ...{ ...replicated, loss: 'mse', activation: 'silu', layerGhosts: [1, 3] },
      other: { ghostActivation: 'silu', dropout: 0.25 },
    },
    {
      ...{ ...replicated, loss: 'mse', activation: 'silu' },
      other: { ghostActivation, residual, input, head },
    },
    {
      ...{ ...replicated, ends: 'sharded', loss: 'mse', activation: 'gelu' },
      other: { ghostActivation, residual: unnormed },
    },
    {
      ...{ ...replicated, loss: 'mse', activation: 'gelu' },
      other: { ghostActivation, compute: 'bfloat16' },
    },
  );
}

/** Of the losses that read them: none of the usual values. */
const LOSS_OPTIONS = { huberDelta: 0.7, quantiles: [0.1, 0.5, 0.9], labelSmoothing: 0.2 };

function requestOf(test: Case, engine: 'wasm' | 'blas', relaxedSimd: boolean): PassRequest {
  const [width, blocks, columns, inputs, each] = [48, 8, 11, 13, 5];
  const { weighted = false, loss } = test;
  const lossOptions = { ...LOSS_OPTIONS, labelSmoothing: weighted ? 0.2 : 0 };
  const outputs = each * outputsPerTarget(loss, lossOptions);
  const specification: NetworkSpecification = {
    strategy: test.strategy,
    width,
    depth: test.depth,
    blocks,
    ghosts: 3,
    ...(test.layerGhosts && { layerGhosts: test.layerGhosts }),
    activation: test.activation,
    ...test.other,
    ends:
      test.ends === 'sharded'
        ? { kind: 'sharded' }
        : {
            kind: 'replicated',
            inputs,
            outputs,
          },
  };
  const [features, targets] = [
    inputWidth(specification),
    outputWidth(specification) / (outputs / each),
  ];
  const x = new Float32Array(features * columns);
  randomStream(1, 'x').fillNormal(x, 0);
  const rows = isOfClasses(loss) ? 1 : targets;
  const y = new Float32Array((rows + (weighted ? 1 : 0)) * columns);
  randomStream(1, 'y').fillNormal(y, 0);
  for (let i = 0; i < rows * columns; i++) {
    if (isOfClasses(loss)) y[i] = i % targets;
    else if (loss === 'poisson') y[i] = i % 4;
    else if (loss === 'binary-cross-entropy') y[i] = i % 2;
  }
  for (let i = rows * columns; i < y.length; i++) y[i] = (i % 5) / 2;
  const data = { seed: 3, step: 6, columns, x, y, passes: 1 };
  return { specification, engine, relaxedSimd, loss, lossOptions, weighted, ...data };
}

// Where native parts are required they are what is tested: a pass without them comes first.
const onlyNative =
  process.env['PHANTOM_REQUIRE_NATIVE'] === '1' && !ALL && 'tested without native parts';
const noBlas = !(await blasAvailable()) && 'no BLAS library here';

const engines = [
  { name: 'wasm', engine: 'wasm', relaxedSimd: false, skip: onlyNative },
  { name: 'blas', engine: 'blas', relaxedSimd: false, skip: noBlas },
] as const;

for (const { name, engine, relaxedSimd, skip } of engines) {
  describe(`a network's pass on ${name}`, { skip }, () => {
    const requests = CASES.map((test) => requestOf(test, engine, relaxedSimd));
    const passes = new Map<number, PassResult[][]>();
    before(async () => {
      for (const ranks of [1, ...MORE_RANKS]) passes.set(ranks, await pass(requests, ranks));
    });
    for (const [i, test] of CASES.entries()) {
      const { strategy, ends, loss, activation, depth, layerGhosts, weighted, other } = test;
      const ghosts = layerGhosts ? ` of ${layerGhosts.join(', ')} ghosts` : '';
      const weights = weighted ? ' weighted' : '';
      const shape = other ? `, ${JSON.stringify(other)}` : '';
      it(`${strategy}, ${ends}, ${loss}${weights}, ${activation}, ${depth} layers${ghosts}${shape}`, () => {
        const of = (ranks: number) => passes.get(ranks)?.[i] ?? [];
        compareWithReference(requests[i], of(1));
        for (const ranks of MORE_RANKS) {
          assert.equal(of(ranks).length, ranks);
          sameBits(of(ranks), of(1));
        }
      });
    }
  });
}

/**
 * Products have up to 48 terms of size about one, so a float32 pass is off by some 1e-7 relative,
 * times a factor below ten for each of five layers.
 */
const TOLERANCE = 5e-6;

/**
 * In bfloat16 an operand of a product is off by up to 2⁻⁹ relative, by half of that on average, and
 * independently of the others, so that sums are too. Five layers forward and back are up to forty such
 * roundings in a row, those of phantom layers: 2⁻¹⁰ · √40, and a factor of four where a gradient nearly
 * cancels. A wrong operand is off by one. Activations are smooth: a relu that a rounding turns on or
 * off changes more.
 */
const TOLERANCE_BFLOAT16 = 3e-2;

function compareWithReference(asked: PassRequest, ranks: PassResult[]): void {
  const { specification, loss, lossOptions, weighted, columns } = asked;
  const weights = assemble(ranks, 'value');
  const x = dense(asked.x.length / columns, columns, asked.x);
  const rows = asked.y.length / columns - (weighted ? 1 : 0);
  const y = dense(rows, columns, asked.y.subarray(0, rows * columns));
  const own = weighted ? [...asked.y.subarray(rows * columns)] : null;
  const { residual, dropout } = specification;
  const draws = new DropoutDraws(asked.seed);
  const drop = dropout && { rate: dropout, key: draws.key, step: asked.step };
  const shape = { ...specification, loss, lossOptions, weights: own, ...(drop && { drop }) };
  const expected = residual
    ? residualLossAndGradients({ ...shape, ...residual }, weights, x, y)
    : lossAndGradients(shape, weights, x, y);
  const compute = specification.ghostPrecision ?? specification.compute ?? 'float32';
  const tolerance = compute === 'float32' ? TOLERANCE : TOLERANCE_BFLOAT16;
  const [first] = ranks;
  assert.ok(first);
  const actual = first.lossSum * first.lossScale;
  assert.ok(Math.abs(actual - expected.loss) < tolerance * expected.loss, `loss ${actual}`);
  if (loss === 'cross-entropy' && compute === 'float32')
    assert.equal(first.correct, expected.correct);
  const gradients = assemble(ranks, 'gradient');
  assert.deepEqual([...gradients.keys()].toSorted(), [...expected.gradients.keys()].toSorted());
  // In bfloat16 a tensor of all blocks together: of a few numbers, one nearly cancels.
  const whole = (name: string) => (compute === 'float32' ? name : name.replace(/\.\d+$/, ''));
  const names = [...expected.gradients.keys()];
  for (const together of new Set(names.map(whole))) {
    const parts = names.filter((name) => whole(name) === together);
    const none = new Float64Array(0);
    const error = relativeError(
      joined(parts.map((name) => gradients.get(name)?.values ?? none)),
      joined(parts.map((name) => expected.gradients.get(name) ?? none)),
    );
    assert.ok(error < tolerance, `${together}: relative error ${error}`);
  }
}

/** Ranks that host whole subtrees send the partial sums that more ranks would form. */
function sameBits(ranks: PassResult[], solo: PassResult[]): void {
  for (const what of ['value', 'gradient'] as const) {
    const expected = assemble(solo, what);
    for (const [name, { values }] of assemble(ranks, what)) {
      assert.deepEqual(
        values,
        expected.get(name)?.values,
        `${what} ${name}, ${ranks.length} ranks`,
      );
    }
  }
}
