// Training steps on one device. Weights are copies of a small random tensor: drawing those of the widest
// networks on the host would take minutes.
import { createEngine } from '#src/app/ranks/engines.js';
import { countedParts } from '#src/app/ranks/rank-parts.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import type { Batch } from '#src/data/loader/batches.js';
import { Device } from '#src/engines/cuda/device.js';
import type { Engine } from '#src/engines/engine.js';
import type { Strategy } from '#src/layers/strategies.js';
import { buildNetwork } from '#src/model/network.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import { openCudaDriver } from '#src/native/cuda.js';
import { createOptimizer } from '#src/optimizers/optimizer.js';
import { randomStream } from '#src/tensor/random.js';
import { type Tensor, tensorPart } from '#src/tensor/tensor.js';
import { LossPass } from '#src/training/loss-pass.js';
import { createObjective } from '#src/training/objective.js';
import { Stepper } from '#src/training/stepper.js';
import { median } from './check.js';
import { type Variant, withVariant } from './variants.js';

/** A network on one device: hidden layers alone, with the gradient of the input, Adam and squared error. */
export interface DeviceStep extends Variant {
  readonly strategy: Strategy;
  readonly width: number;
  readonly depth: number;
  readonly blocks: number;
  readonly ghosts: number;
  readonly batch: number;
}

const TILE = 2 ** 20;
const OPTIMIZER = { momentum: 0.9, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
const LEARNING_RATE = 1e-6;
const MOST = 200;

/** How long steps are timed. */
export interface Timing {
  readonly warmUp: number;
  readonly fewest: number;
  readonly budgetMs: number;
}

/** Where steps are made one network after another. */
export interface StepPlace {
  /** Of a normal distribution: weights and batches are copies of them. */
  readonly numbers: Float32Array;
  close(): void;
}

/** Holds the device, whose context would else be made anew for every network. */
export async function openPlace(): Promise<StepPlace> {
  const device = new Device(await openCudaDriver(), { devices: null, localRank: 0 });
  const numbers = new Float32Array(TILE);
  randomStream(0, 'tile').fillNormal(numbers, 0);
  return { numbers, close: () => device.close() };
}

/** What `use` makes of steps of a network on an engine of its own, which is closed then.
 * @param use is given what makes a step, and waits for its loss but not for its update */
export async function withSteps<T>(
  { numbers }: StepPlace,
  shape: DeviceStep,
  use: (step: () => void, engine: Engine) => T | Promise<T>,
): Promise<T> {
  const { strategy, width, depth, blocks, ghosts, batch } = shape;
  const base = { strategy, width, depth, blocks, ghosts, activation: 'relu' } as const;
  const plain: NetworkSpecification = { ...base, ends: { kind: 'sharded' } };
  const { specification, engineOptions } = withVariant(plain, shape);
  const bare = await createEngine('cuda', engineOptions);
  try {
    const parts = countedParts(bare, new SoloTransport());
    const { engine } = parts;
    const network = buildNetwork(specification, engine, parts.communicator);
    const tile = scaledTile(engine, numbers, 1 / Math.sqrt(width));
    for (const parameter of network.parameters) {
      repeat(engine, tile, parameter.value);
      parameter.rounded();
    }
    const sizes = { columns: batch, samples: batch, inputGradient: true };
    const { layout } = network;
    const objective = createObjective({ specification, loss: 'mse', layout, engine, ...sizes });
    const batches = { next: sameBatch(numbers, width, batch) };
    const pass = new LossPass({ ...parts, network, objective, batches });
    const optimizer = createOptimizer({ ...OPTIMIZER, name: 'adam' }, engine, network.parameters);
    const stepper = new Stepper({ pass, optimizer });
    let step = 0;
    return await use(() => {
      stepper.step(step++, LEARNING_RATE, false);
    }, bare);
  } finally {
    bare.close();
  }
}

/** The median milliseconds of steps, each with its batch and its loss. */
export async function timeDeviceSteps(
  place: StepPlace,
  shape: DeviceStep,
  { warmUp, fewest, budgetMs }: Timing,
): Promise<{ stepMs: number; steps: number; allocatedBytes: number }> {
  return withSteps(place, shape, (step, engine) => {
    for (let i = 0; i < warmUp; i++) step();
    engine.synchronize();
    const times: number[] = [];
    const begun = performance.now();
    while (times.length < fewest || (times.length < MOST && performance.now() - begun < budgetMs)) {
      const before = performance.now();
      step();
      times.push(performance.now() - before);
    }
    engine.synchronize();
    const { allocatedBytes } = engine;
    return { stepMs: median(times), steps: times.length, allocatedBytes };
  });
}

function scaledTile(engine: Engine, numbers: Float32Array, scale: number): Tensor {
  const tile = engine.allocate([numbers.length]);
  engine.toDevice(
    numbers.map((value) => scale * value),
    tile,
  );
  return tile;
}

/** Fills a tensor with copies of another. */
export function repeat(engine: Engine, tile: Tensor, to: Tensor): void {
  for (let at = 0; at < to.length; at += tile.length) {
    const length = Math.min(tile.length, to.length - at);
    engine.copy(tensorPart(tile, 0, [length]), tensorPart(to, at, [length]));
  }
}

/** The same random batch for ever. */
function sameBatch(numbers: Float32Array, width: number, columns: number): () => Batch {
  // Lengths that no row's divides, so that rows and columns are not alike, and targets not the input.
  const [x, y] = [1, 3].map((less) => {
    const [tile, all] = [numbers.subarray(less), new Float32Array(width * columns)];
    for (let at = 0; at < all.length; at += tile.length) {
      all.set(tile.subarray(0, all.length - at), at);
    }
    return all;
  });
  if (x === undefined || y === undefined) throw new Error('a batch has x and y');
  const place = { step: 0, microBatch: 0, index: 0, columns, validColumns: columns };
  const batch: Batch = { kind: 'training', ...place, x, y };
  return () => batch;
}
