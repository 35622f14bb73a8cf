import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { NetworkSpecification } from '../model/specification.js';
import { parameterCount, stepCost } from './network-cost.js';
import * as crossovers from './crossovers.js';
import { stepEnergy } from './energy.js';
import type { Machine } from '../machine/machine.js';
import { planStep } from './plan.js';
import type { Rates } from './rates.js';
import { searchPlans } from './search.js';
import type { Start } from '../layers/operations.js';
import { stepProgram, type StepShape } from './step-program.js';
import { stepTime } from './step-time.js';

const close = (actual: number, expected: number, relative = 1e-9) =>
  assert.ok(
    Math.abs(actual - expected) <= relative * Math.abs(expected),
    `${actual} ≠ ${expected}`,
  );

const numbers = (value: number) => ({ value, source: 'a test' });

/** One FLOP/s, a byte a second in memory, and links of a known speed. */
function machine(change: Partial<Machine> = {}): Machine {
  return {
    name: 'test',
    description: 'a machine of round numbers',
    ranksPerNode: numbers(4),
    rankMemoryBytes: numbers(1e9),
    compute: { kind: 'peak', flopsPerS: numbers(1e9), memoryBytesPerS: numbers(1e12) },
    collectives: [],
    withinNode: { latencyS: numbers(1e-6), bytesPerS: numbers(1e9) },
    betweenNodes: { latencyS: numbers(5e-6), bytesPerS: numbers(1e8) },
    power: {
      busyW: numbers(10),
      waitingW: numbers(4),
      sharedW: numbers(2),
      energyPerByteJ: numbers(1e-9),
    },
    ...change,
  };
}

function network(change: Partial<NetworkSpecification> = {}): NetworkSpecification {
  return {
    strategy: 'phantom',
    width: 256,
    depth: 2,
    blocks: 4,
    ghosts: 8,
    activation: 'relu',
    ends: { kind: 'sharded' },
    ...change,
  };
}

function shapeOf(specification: NetworkSpecification): StepShape {
  const rest = { loss: 'mse', optimizer: 'adam', average: false, inputGradient: true } as const;
  return { specification, ranks: specification.blocks, columns: 32, ...rest };
}

describe('crossovers', () => {
  const layer = (N: number, P: number, K: number, strategy: 'phantom' | 'tensor') => {
    const specification = network({ strategy, width: N, blocks: P, ghosts: K, depth: 1 });
    const { flops, sentBytes } = stepCost(specification, P, 16, true).total;
    return { flops, sentBytes, parameters: parameterCount(specification) };
  };

  it('finds the K below which phantom is smaller, as counting every K does', () => {
    for (const [N, P] of [
      [64, 2],
      [96, 4],
      [120, 6],
      [256, 8],
    ] as const) {
      const limit = crossovers.largestSavingGhosts(N, P);
      for (let K = 1; K <= N / P; K++) {
        const [phantom, tensor] = [layer(N, P, K, 'phantom'), layer(N, P, K, 'tensor')];
        assert.equal(phantom.flops < tensor.flops, K < limit, `N ${N} P ${P} K ${K}`);
        assert.equal(phantom.parameters < tensor.parameters, K < limit);
        if (K < limit) assert.ok(phantom.sentBytes < tensor.sentBytes);
      }
    }
  });

  it('finds when ghosts are more work than the own block, as the products of a step do', () => {
    for (const K of [1, 2, 3, 4, 5, 6, 8, 12, 16]) {
      const [N, P] = [128, 8];
      const program = stepProgram(shapeOf(network({ width: N, blocks: P, ghosts: K })), 0);
      let [local, ghosts] = [0, 0];
      for (const operation of program) {
        if (operation.kind !== 'product' || operation.pass !== 'forward') continue;
        const flops = 2 * operation.rows * operation.columns * operation.inner;
        if (operation.part === 'local') local += flops;
        else ghosts += flops;
      }
      assert.equal(ghosts > local, K > crossovers.ghostDominance(N, P), `K ${K}`);
      assert.equal(ghosts > local, P > crossovers.leastWorkBlocks(N, K));
    }
  });

  it('has least work at √(N/K) for all ranks, and at N/K for one', () => {
    const [N, K] = [4096, 16];
    const work = (P: number) => layer(N, P, K, 'phantom').flops;
    const blocks = [2, 4, 8, 16, 32, 64, 128, 256];
    const least = (of: (P: number) => number) =>
      blocks.reduce((best, P) => (of(P) < of(best) ? P : best));
    assert.equal(
      least((P) => P * work(P)),
      crossovers.leastWorkBlocks(N, K),
    );
    assert.equal(least(work), crossovers.leastRankWorkBlocks(N, K));
  });

  it('finds the P of least energy, as trying every P does', () => {
    const rate = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(
        fc.integer({ min: 256, max: 65_536 }),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 512 }),
        fc.record({ energyPerFlopJ: rate, energyPerByteJ: rate, energyPerMessageJ: rate }),
        (N, K, B, rates) => {
          const best = crossovers.leastEnergyBlocks(N, K, B, rates);
          const energy = (P: number) =>
            crossovers.phantomLayerEnergyJ({ width: N, blocks: P, ghosts: K, batch: B }, rates);
          let [P, least] = [1, energy(1)];
          for (let next = 2; next <= 2 * best + 2; next++) {
            if (energy(next) < least) [P, least] = [next, energy(next)];
          }
          assert.ok(Math.abs(P - best) < 1 || best < 1, `${P} and ${best}`);
        },
      ),
      { numRuns: 100 },
    );
    const free = { energyPerFlopJ: 1, energyPerByteJ: 0, energyPerMessageJ: 0 };
    close(crossovers.leastEnergyBlocks(4096, 16, 8, free), 16);
  });
});

describe('a step played through', () => {
  const rates: Rates = {
    productS: ({ rows, columns, inner }) => rows * columns * inner * 1e-9,
    passS: () => 0,
    collective: () => ({ startS: 1, transferS: 5, finishS: 2, messages: 3 }),
    perOperationS: 0,
    notes: [],
  };
  const product = { kind: 'product', part: 'local', pass: 'forward' } as const;
  const seconds = (s: number) =>
    ({
      ...product,
      transposeA: false,
      transposeB: false,
      rows: s * 1e9,
      columns: 1,
      inner: 1,
    }) as const;
  const start: Start = {
    kind: 'start',
    collective: 'all-gather',
    pass: 'forward',
    wholeBytes: 8,
    of: 'network',
  };

  it('hides a collective behind the work between its start and its wait', () => {
    const step = stepTime([start, seconds(3), { kind: 'wait', start }, seconds(1)], rates);
    assert.ok(step);
    assert.equal(step.stepS, 1 + 5 + 2 + 1);
    assert.equal(step.exposedS, 1 + (5 - 3) + 2);
    assert.equal(step.hiddenS, 3);
    assert.equal(step.computeS, 4);
    assert.equal(step.communicationS, step.hiddenS + step.exposedS);
    assert.equal(step.messages, 3);
  });

  it('sends one collective after another', () => {
    const second = { ...start };
    const waits = [{ kind: 'wait', start } as const, { kind: 'wait', start: second } as const];
    const step = stepTime([start, second, ...waits], rates);
    assert.equal(step?.stepS, 1 + 5 + 5 + 2);
  });

  it('hides what the operators hide: a paired layer its forward all-reduce never', () => {
    const tell = (strategy: 'phantom' | 'tensor' | 'tensor-paired') =>
      planStep(shapeOf(network({ strategy })), machine()).time;
    // The products take seconds, the links milliseconds.
    assert.ok((tell('phantom')?.exposedS ?? 1) < 1e-9);
    assert.ok((tell('tensor')?.exposedS ?? 1) < 1e-9);
    assert.ok((tell('tensor-paired')?.exposedS ?? 0) > 1e-5);
  });
});

describe('energy', () => {
  const time = {
    stepS: 10,
    computeS: 7,
    elementsS: 0,
    updateS: 0,
    messages: 0,
    communicationS: 5,
    hiddenS: 2,
    exposedS: 3,
    products: { local: 7, compression: 0, decompression: 0 },
  };
  it('is the sum over ranks of watts times seconds and joules of bytes', () => {
    const { power } = machine();
    const { energyJ, busyJ, waitingJ, sharedJ, movingJ } = stepEnergy(power, time, 3, 1e9);
    assert.deepEqual([busyJ, waitingJ, sharedJ], [210, 36, 60]);
    close(movingJ ?? 0, 3);
    close(energyJ ?? 0, 309);
  });
  it('is unknown without watts, and says what it leaves out', () => {
    const { power } = machine();
    const none = stepEnergy({ ...power, busyW: null }, time, 3, 1);
    assert.equal(none.energyJ, null);
    assert.equal(none.atMostJ, null);
    const bound = stepEnergy({ ...power, waitingW: null, sharedW: null }, time, 3, 0);
    assert.equal(bound.energyJ, null);
    assert.equal(bound.atMostJ, 300);
    assert.ok(bound.notes.some((note) => note.includes('waiting')));
    assert.ok(bound.notes.some((note) => note.includes('board')));
  });
});

describe('a search', () => {
  it('finds the least energy within the limits, as looking at every plan does', () => {
    const shape = shapeOf(network({ width: 1024 }));
    const limits = { memoryBytes: 4e6, stepS: 0.2, mostRanks: 64, safeGhostShare: 1 / 8 };
    const { allowed, refused, by } = searchPlans(shape, machine(), limits);
    assert.equal(by, 'energy');
    assert.equal(allowed.length + refused.length, 3 * 6);
    assert.ok(allowed.length > 0 && refused.length > 0);
    const joules = allowed.map(({ energy }) => energy?.energyJ ?? 0);
    assert.equal(joules[0], Math.min(...joules));
    for (const plan of allowed) {
      assert.ok(plan.memory.totalBytes <= 4e6 && (plan.time?.stepS ?? 1) <= 0.2);
      if (plan.ghosts !== null) assert.equal(plan.ghosts, 1024 / plan.blocks / 8);
    }
    for (const { against } of refused) assert.match(against ?? '', /needs|takes/);
  });

  it('gives no times across nodes that the machine file does not join', () => {
    const alone = machine({ betweenNodes: null, withinNode: null });
    const plan = planStep(shapeOf(network({ width: 512, blocks: 8 })), alone);
    assert.equal(plan.time, null);
    assert.equal(plan.energy, null);
    assert.ok(plan.notes.some((note) => note.includes('communication times are unknown')));
  });
});
