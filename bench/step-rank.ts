// One rank of the step benchmark.
import {
  type Batch,
  buildNetwork,
  countedParts,
  createEngine,
  createObjective,
  createOptimizer,
  type Engine,
  type EngineChoice,
  type NetworkSpecification,
  type OptimizerName,
  hiddenShare,
  randomStream,
  runRank,
  Stepper,
} from 'phantom-parallel';

export interface StepRequest {
  readonly specification: NetworkSpecification;
  readonly engine: EngineChoice;
  readonly relaxedSimd: boolean;
  readonly batch: number;
  readonly optimizer: OptimizerName;
  readonly steps: number;
  readonly warmup: number;
}

export interface StepTimings {
  readonly engine: string;
  readonly stepsMs: readonly number[];
  readonly exposedMs: readonly number[];
  /** Share of the communication that was under way beside the rank's own work, over all steps. */
  readonly hiddenShare: number | null;
  /** The step's own matrix products and nothing else, and its optimiser alone. */
  readonly productsMs: readonly number[];
  readonly optimizerMs: readonly number[];
  /** What moving the optimiser's bytes takes at the rate of a large copy. */
  readonly optimizerFloorMs: number;
  readonly flops: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly allocatedBytes: number;
}

type Product = Parameters<Engine['gemm']>;

/** Notes each matrix product while `recording` is on, so that they can be run again alone. */
function recordProducts(engine: Engine): { engine: Engine; products: Product[]; stop(): void } {
  const products: Product[] = [];
  let recording = true;
  const gemm = (...product: Product) => {
    if (recording) products.push(product);
    engine.gemm(...product);
  };
  const bound = new Proxy(engine, {
    get(target, key) {
      if (key === 'gemm') return gemm;
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { engine: bound, products, stop: () => (recording = false) };
}

/** Reads and writes of one parameter element, in bytes. */
const OPTIMIZER_BYTES = { sgd: 12, momentum: 20, adam: 28, adamw: 28 };

await runRank<StepRequest>(async ({ data, transport, uninterrupted }): Promise<StepTimings> => {
  const { relaxedSimd, specification, batch, steps, warmup } = data;
  const bare = await uninterrupted(() => createEngine(data.engine, { relaxedSimd }));
  const sizes = [specification, 'mse', batch, batch] as const;
  const run = (base: Engine) => {
    const parts = countedParts(base, transport);
    const network = buildNetwork(sizes[0], parts.engine, parts.communicator);
    network.initialize(0);
    const objective = createObjective(
      ...([sizes[0], sizes[1], network.layout, parts.engine, sizes[2], sizes[3], true] as const),
    );
    const options = { momentum: 0.9, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
    const optimizer = createOptimizer(
      ...([{ ...options, name: data.optimizer }, parts.engine, network.parameters] as const),
    );
    const stepper = new Stepper({
      ...parts,
      replicas: null,
      network,
      objective,
      optimizer,
      batchSize: batch,
      microBatches: 1,
      clipNorm: null,
      stopRequested: () => false,
      batches: repeated(specification, batch),
    });
    return { parts, stepper, network, optimizer };
  };

  const recorder = recordProducts(bare);
  const { parts, stepper, network, optimizer } = run(recorder.engine);
  stepper.step(0, 1e-4, false);
  recorder.stop();
  const counted = {
    flops: parts.meters.flops(),
    sentBytes: parts.meters.sentBytes(),
    receivedBytes: parts.meters.receivedBytes(),
  };

  const communication = () => {
    const { allGather, reduceScatter, allReduce } = parts.meters.collectives;
    const all = [allGather, reduceScatter, allReduce];
    return {
      postedS: all.reduce((sum, { postedS }) => sum + postedS, 0),
      exposedS: all.reduce((sum, { exposedS }) => sum + exposedS, 0),
    };
  };
  const before = communication();
  const stepsMs: number[] = [];
  const exposedMs: number[] = [];
  for (let step = 1; step <= warmup + steps; step++) {
    const exposed = parts.meters.exposedS();
    const began = performance.now();
    stepper.step(step, 1e-4, false);
    if (step <= warmup) continue;
    stepsMs.push(performance.now() - began);
    exposedMs.push(1000 * (parts.meters.exposedS() - exposed));
  }
  const after = communication();
  const productsMs = repeat(steps, () => {
    parts.control.barrier();
    const began = performance.now();
    for (const product of recorder.products) bare.gemm(...product);
    return performance.now() - began;
  });
  const squares = new Float64Array(network.parameters.length);
  const optimizerMs = repeat(steps, () => {
    parts.control.barrier();
    const began = performance.now();
    optimizer.step(1, 0, 1, squares);
    return performance.now() - began;
  });
  const elements = network.parameters.reduce((sum, { value }) => sum + value.data.length, 0);
  return {
    engine: bare.description,
    stepsMs,
    exposedMs,
    hiddenShare: hiddenShare({
      postedS: after.postedS - before.postedS,
      exposedS: after.exposedS - before.exposedS,
    }),
    productsMs,
    optimizerMs,
    ...counted,
    optimizerFloorMs: (elements * OPTIMIZER_BYTES[data.optimizer]) / (1e6 * copyRate(bare)),
    allocatedBytes: bare.allocatedBytes,
  };
});

function repeat(times: number, measure: () => number): number[] {
  return Array.from({ length: times }, measure);
}

/** Bytes per ns that a copy larger than the caches moves, reads and writes counted. */
function copyRate(engine: Engine): number {
  const [from, to] = [engine.allocate([4 << 20]), engine.allocate([4 << 20])];
  const times = repeat(7, () => {
    const began = performance.now();
    engine.copy(from, to);
    return performance.now() - began;
  });
  return (2 * 4 * from.data.length) / (Math.min(...times) * 1e6);
}

/** The same random batch for ever. */
function repeated(specification: NetworkSpecification, columns: number) {
  const width = specification.width * columns;
  const [x, y] = [new Float32Array(width), new Float32Array(width)];
  randomStream(0, 'x').fillNormal(x, 0);
  randomStream(0, 'y').fillNormal(y, 0);
  const batch: Batch = {
    kind: 'training',
    step: 0,
    microBatch: 0,
    index: 0,
    columns,
    validColumns: columns,
    x,
    y,
  };
  return { next: () => batch };
}
