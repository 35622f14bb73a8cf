// A few steps of small networks on random batches, on any engine.
import { countedParts } from '#src/app/ranks/rank-parts.js';
import { TrainingError } from '#src/base/errors.js';
import type { Transport } from '#src/communicators/communicator.js';
import type { Batch } from '#src/data/loader/batches.js';
import type { Engine } from '#src/engines/engine.js';
import { DropoutDraws } from '#src/layers/dropout/draws.js';
import type { LossName } from '#src/layers/loss-names.js';
import { STRATEGY_NAMES } from '#src/layers/strategies.js';
import { NestedGhosts } from '#src/model/nested-ghosts.js';
import { buildNetwork } from '#src/model/network.js';
import { inputWidth, type NetworkSpecification, outputWidth } from '#src/model/specification.js';
import { createOptimizer } from '#src/optimizers/optimizer.js';
import type { OptimizerName } from '#src/optimizers/optimizer-list.js';
import { WeightAverage } from '#src/optimizers/weight-average.js';
import { randomStream } from '#src/tensor/random.js';
import { LossPass } from '#src/training/loss-pass.js';
import { createObjective } from '#src/training/objective.js';
import { Stepper } from '#src/training/stepper.js';

export interface FewStepsRequest {
  readonly specification: NetworkSpecification;
  readonly loss: LossName;
  readonly optimizer: OptimizerName;
  readonly weighted?: boolean;
  readonly replicas?: number;
  readonly microBatches?: number;
  readonly clipNorm?: number;
  readonly nested?: boolean;
  readonly average?: boolean;
  /** Default: `STEPS`. */
  readonly steps?: number;
  /** Whether the last batch has a number that is none. */
  readonly broken?: boolean;
}

/** What a run came to, number by number. */
export interface RunNumbers {
  /** Loss, accuracy and gradient norm of each step. */
  readonly steps: readonly (readonly number[])[];
  /** Why the last step failed; null: it did not. */
  readonly failure: string | null;
  readonly weights: readonly Float32Array[];
  readonly sentBytes: number;
}

/** The fourth is the first that is as the one before it, also on a device that repeats calls. */
export const STEPS = 4;
const COLUMNS = 6;

const ENDS = { kind: 'replicated', inputs: 5, outputs: 3 } as const;
const NETWORK: NetworkSpecification = {
  ...{ strategy: 'phantom', width: 16, depth: 2, blocks: 4, ghosts: 2, activation: 'gelu' },
  ends: ENDS,
};
const RESIDUAL = { norm: 'rms', expansion: 2, gated: true } as const;

export const plain = (specification: Partial<NetworkSpecification>): FewStepsRequest => ({
  specification: { ...NETWORK, ...specification },
  loss: 'cross-entropy',
  optimizer: 'adamw',
});

export const CASES: Readonly<Record<string, FewStepsRequest>> = {
  ...Object.fromEntries(
    STRATEGY_NAMES.flatMap((strategy) => [
      [strategy, plain({ strategy })],
      [`${strategy}, sharded`, { ...plain({ strategy, ends: { kind: 'sharded' } }), loss: 'mse' }],
      [`${strategy}, residual with dropout`, plain({ strategy, residual: RESIDUAL, dropout: 0.2 })],
      [`${strategy} in bfloat16`, plain({ strategy, compute: 'bfloat16' })],
    ]),
  ),
  'ghosts in int8': plain({ ghostPrecision: 'int8' }),
  'a function on ghosts': plain({ ghostActivation: 'tanh' }),
  'ghosts in bfloat16': plain({ ghostPrecision: 'bfloat16' }),
  'nested ghosts, weighted samples': { ...plain({}), nested: true, weighted: true },
  'micro-batches, clipping, an average': {
    ...{ ...plain({}), optimizer: 'momentum' },
    ...{ microBatches: 3, clipNorm: 0.1, average: true },
  },
};

/** Trains a network from the same start. @param inLast makes the last step */
export function trainFewSteps(
  request: FewStepsRequest,
  bare: Engine,
  transport: Transport,
  inLast: (step: () => void) => void,
): RunNumbers {
  const { specification, loss, replicas = 1, microBatches = 1, average = false } = request;
  const { steps: count = STEPS } = request;
  const parts = countedParts(bare, transport, replicas);
  const { engine, communicator } = parts;
  const network = buildNetwork(specification, engine, communicator);
  const constants = { momentum: 0.9, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.01 };
  const optimizer = createOptimizer(
    { ...constants, name: request.optimizer },
    engine,
    network.parameters,
  );
  network.initialize(3);
  const averaged = average ? new WeightAverage(engine, network.parameters, 0.9) : null;
  averaged?.begin();
  const objective = createObjective({
    ...{ specification, loss, engine, weighted: request.weighted ?? false },
    ...{ layout: network.layout, columns: COLUMNS, samples: COLUMNS * microBatches * replicas },
  });
  const batches = randomBatches(request, parts.replicas?.index ?? 0);
  const pass = new LossPass({ ...parts, network, objective, batches });
  const stepper = new Stepper({
    ...{ pass, optimizer, average: averaged, microBatches, replicas: parts.replicas },
    clipNorm: request.clipNorm ?? null,
    nestedGhosts: request.nested ? new NestedGhosts(5, specification.ghosts) : null,
    dropout: specification.dropout ? new DropoutDraws(7) : null,
  });
  const steps: number[][] = [];
  let failure: string | null = null;
  try {
    const run = (step: number): void => {
      const { loss: value, accuracy, gradientNorm } = stepper.step(step, 0.01, true);
      steps.push([value, accuracy, gradientNorm]);
    };
    for (let step = 0; step < count - 1; step++) run(step);
    inLast(() => run(count - 1));
  } catch (error) {
    if (!(error instanceof TrainingError)) throw error;
    failure = error.message;
  }
  const weightsNow = () => network.parameters.map(({ value }) => engine.toHost(value).slice());
  const weights = [...weightsNow(), ...(averaged?.use(weightsNow) ?? [])];
  return { steps, failure, weights, sentBytes: parts.trafficBytes() };
}

function randomBatches(request: FewStepsRequest, replica: number) {
  const { specification, loss, weighted, broken, microBatches = 1, steps = STEPS } = request;
  const stream = randomStream(11, `batches of ${replica}`);
  const outputs = loss === 'cross-entropy' ? 1 : outputWidth(specification);
  let drawn = 0;
  let batches = 0;
  const next = (): Batch => {
    const x = new Float32Array(inputWidth(specification) * COLUMNS);
    const y = new Float32Array(outputs * COLUMNS);
    stream.fillNormal(x, (drawn += x.length));
    stream.fillNormal(y, (drawn += y.length));
    if (loss === 'cross-entropy') y.forEach((value, i) => (y[i] = value > 0 ? 1 : 0));
    if (broken && ++batches === steps * microBatches) x[0] = Number.NaN;
    const weights = weighted ? [0.5, 1, 2, 0, 1, 1] : [];
    const about = { kind: 'training', step: 0, microBatch: 0, index: 0, columns: COLUMNS } as const;
    return { ...about, validColumns: COLUMNS, x, y: Float32Array.from([...y, ...weights]) };
  };
  return { next };
}
