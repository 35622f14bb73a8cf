// One rank: three training steps of a network with its counters around it.
import type { StepShape } from '#src/analysis/step-program.js';
import { createEngine } from '#src/app/ranks/engines.js';
import { countedParts } from '#src/app/ranks/rank-parts.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import type { Batch } from '#src/data/loader/batches.js';
import { buildNetwork } from '#src/model/network.js';
import { createOptimizer } from '#src/optimizers/optimizer.js';
import { randomStream } from '#src/tensor/random.js';
import { LossPass } from '#src/training/loss-pass.js';
import { createObjective } from '#src/training/objective.js';
import { Stepper } from '#src/training/stepper.js';

export interface ScalingRequest extends StepShape {
  readonly steps: number;
}

export interface ScalingResult {
  readonly losses: readonly number[];
  /** Of a step, on average. */
  readonly flops: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly memoryBytes: number;
}

await runRank<ScalingRequest>(async ({ data, transport }): Promise<ScalingResult> => {
  const { specification, columns, optimizer: name, loss, steps } = data;
  const parts = countedParts(await createEngine('wasm'), transport);
  const { engine, communicator, meters } = parts;
  const network = buildNetwork(specification, engine, communicator);
  network.initialize(0);
  const { layout } = network;
  const sizes = { columns, samples: columns };
  const objective = createObjective({ specification, loss, layout, engine, ...sizes });
  const options = { name, momentum: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
  const optimizer = createOptimizer(options, engine, network.parameters);
  const numbers = (stream: string) => {
    const drawn = new Float32Array(specification.width * columns);
    randomStream(0, stream).fillNormal(drawn, 0);
    return drawn;
  };
  const batch: Batch = {
    kind: 'training',
    step: 0,
    microBatch: 0,
    index: 0,
    columns,
    validColumns: columns,
    x: numbers('x'),
    y: numbers('y'),
  };
  const batches = { next: () => batch };
  const pass = new LossPass({ ...parts, network, objective, batches });
  const stepper = new Stepper({ pass, optimizer });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) losses.push(stepper.step(step, 1e-3, false).loss);
  return {
    losses,
    flops: meters.flops() / steps,
    sentBytes: meters.sentBytes() / steps,
    receivedBytes: meters.receivedBytes() / steps,
    memoryBytes: engine.allocatedBytes,
  };
});
