import { type StepShape, stepProgram } from '../../analysis/step-program.js';
import { stepTime } from '../../analysis/step-time.js';
import type { MeasuredCompute } from '../../machine/machine.js';
import type { Rates } from '../../analysis/rates.js';
import type { Transport } from '../../communicators/communicator.js';
import type { Batch } from '../../data/loader/batches.js';
import type { Engine } from '../../engines/engine.js';
import type { Dtype } from '../../tensor/tensor.js';
import { buildNetwork } from '../../model/network.js';
import { STRATEGY_NAMES } from '../../layers/strategies.js';
import { createOptimizer } from '../../optimizers/optimizer.js';
import { LossPass } from '../../training/loss-pass.js';
import { createObjective } from '../../training/objective.js';
import { Stepper } from '../../training/stepper.js';
import { lowerQuartile } from '../../calibration/clock.js';
import type { StepSize } from '../../calibration/sizes.js';
import { countedParts } from '../ranks/rank-parts.js';

const WARM_UP_MS = 200;
const MEASURE_MS = 250;
const FEWEST = 5;
const OPTIMIZER = { momentum: 0.9, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/** Networks whose steps are timed, on so many ranks: one block each, but two at least. */
export function calibrationShapes(
  ranks: number,
  compute: Dtype,
  sizes: readonly StepSize[],
): StepShape[] {
  const blocks = Math.max(2, ranks);
  return sizes.flatMap(({ width: atLeast, depth, columns }) => {
    const width = Math.ceil(atLeast / blocks) * blocks;
    const ghosts = Math.ceil(width / blocks / 16);
    return STRATEGY_NAMES.map((strategy): StepShape => {
      const ends = { kind: 'sharded' } as const;
      const activation = 'relu' as const;
      const network = { strategy, width, depth, blocks, ghosts, compute, activation, ends };
      const rest = { loss: 'mse', optimizer: 'adam', average: false, inputGradient: true } as const;
      return { specification: network, ranks, columns, ...rest };
    });
  });
}

/** What steps of a network are timed on. */
interface StepPlace {
  readonly transport: Transport;
  /** Of its own. */
  readonly engine: Engine;
  /** One that takes longer is timed once. */
  readonly mostMs: number;
}

/** The lower quartile of the seconds of a step of a network, or, where it takes longer than wanted, those of its
 * second step. */
export function timeSteps(
  shape: StepShape,
  { transport, engine, mostMs }: StepPlace,
): { readonly seconds: number; readonly isSlow: boolean } {
  const { specification, columns, loss } = shape;
  const parts = countedParts(engine, transport);
  const network = buildNetwork(specification, parts.engine, parts.communicator);
  network.initialize(0);
  const { layout } = network;
  const { engine: counted } = parts;
  const sizes = { columns, samples: columns, inputGradient: shape.inputGradient };
  const objective = createObjective({ specification, loss, layout, engine: counted, ...sizes });
  const options = { ...OPTIMIZER, name: shape.optimizer };
  const stepper = new Stepper({
    pass: new LossPass({
      ...parts,
      network,
      objective,
      batches: { next: sameBatch(specification.width, columns) },
    }),
    optimizer: createOptimizer(options, counted, network.parameters),
  });
  let step = 0;
  // Ranks take the same number of steps: rank 0's clock counts.
  const go = Float64Array.of(1);
  const onwards = (more: boolean): boolean => {
    go[0] = more ? 1 : 0;
    parts.control.broadcast(go, 0);
    return go[0] === 1;
  };
  const timedMs = (): number => {
    const before = performance.now();
    stepper.step(step++, 1e-5, false);
    return performance.now() - before;
  };
  const begun = performance.now();
  timedMs();
  const second = timedMs();
  if (!onwards(second <= mostMs)) return { seconds: second / 1e3, isSlow: true };
  while (onwards(step < FEWEST || performance.now() - begun < WARM_UP_MS)) timedMs();
  const samples: number[] = [];
  const measuring = performance.now();
  while (onwards(samples.length < FEWEST || performance.now() - measuring < MEASURE_MS)) {
    samples.push(timedMs() / 1e3);
  }
  return { seconds: lowerQuartile(samples), isSlow: false };
}

/** The same batch for ever. */
function sameBatch(width: number, columns: number): () => Batch {
  const numbers = Float32Array.from({ length: width * columns }, (_, i) => Math.sin(i));
  const batch: Batch = {
    kind: 'training',
    step: 0,
    microBatch: 0,
    index: 0,
    columns,
    validColumns: columns,
    x: numbers,
    y: numbers,
  };
  return () => batch;
}

/**
 * How much longer work takes in a step than alone: a factor, for weights that have left the caches
 * and ranks that wait for one another, and seconds an operation, for the program around kernels.
 * Both by least squares of the relative errors over the steps that were timed.
 */
export function fitSteps(
  shapes: readonly StepShape[],
  seconds: readonly (number | null)[],
  ratesOf: (shape: StepShape) => Rates,
): MeasuredCompute['inStep'] {
  // measured ≈ factor · work + perOperationS · operations + exposed, each over measured.
  let [ww, wn, nn, w1, n1] = [0, 0, 0, 0, 0];
  for (const [i, shape] of shapes.entries()) {
    const program = stepProgram(shape, 0);
    const time = stepTime(program, ratesOf(shape));
    const measured = seconds[i] ?? null;
    if (time === null || measured === null) continue;
    const work = time.computeS / measured;
    const operations = program.length / measured;
    const rest = 1 - time.exposedS / measured;
    ww += work * work;
    wn += work * operations;
    nn += operations * operations;
    w1 += work * rest;
    n1 += operations * rest;
  }
  const determinant = ww * nn - wn * wn;
  const perOperationS = (ww * n1 - wn * w1) / determinant;
  const factor = (w1 * nn - n1 * wn) / determinant;
  if (factor > 0 && perOperationS > 0) return { factor, perOperationS };
  // Kernels are next to nothing of these steps.
  if (perOperationS > 0) return { factor: 1, perOperationS: Math.max(0, n1 - wn) / nn };
  return { factor: w1 / ww, perOperationS: 0 };
}
