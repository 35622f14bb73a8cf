// One rank of the step benchmark.
import { createEngine } from '#src/app/ranks/engines.js';
import { countedParts } from '#src/app/ranks/rank-parts.js';
import { runRankProgram } from '#src/app/ranks/rank-program.js';
import { RecordingTransport } from '#src/communicators/recording/recording-transport.js';
import type { Engine } from '#src/engines/engine.js';
import { buildNetwork } from '#src/model/network.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import { createOptimizer } from '#src/optimizers/optimizer.js';
import type { OptimizerName } from '#src/optimizers/optimizer-list.js';
import type { EngineChoice } from '#src/engines/engine-list.js';
import { LossPass } from '#src/training/loss-pass.js';
import { createObjective } from '#src/training/objective.js';
import { COLLECTIVES, hiddenShare } from '#src/training/overlap.js';
import { Stepper } from '#src/training/stepper.js';
import { repeated, writeWeights } from './step-batch.js';
import { readWire, type WireCounts } from './wire.js';

export interface StepRequest {
  readonly specification: NetworkSpecification;
  readonly engine: EngineChoice;
  readonly relaxedSimd: boolean;
  readonly batch: number;
  readonly optimizer: OptimizerName;
  readonly steps: number;
  readonly warmup: number;
  /** A folder that gets the initial weights and the batch, as float32 in files of their names, and
   * their shapes; null: nothing is written. */
  readonly weightsTo: string | null;
}

/** Of the whole group, which is as slow as its slowest rank, step by step. */
export interface StepTimings {
  readonly engine: string;
  readonly communicator: string;
  readonly stepsMs: readonly number[];
  /** Of all steps, those before the timed ones included. */
  readonly losses: readonly number[];
  /** Blocked in collectives: of the rank that was blocked longest, and of the one that was blocked
   * least. The difference is one rank waiting for another that works longer. */
  readonly exposedMs: readonly number[];
  readonly leastExposedMs: readonly number[];
  /** Share of the communication that was under way during rank 0's own work, over all steps. */
  readonly hiddenShare: number | null;
  /** Means per step of rank 0: under way during its work, and blocking it. */
  readonly collectives: Readonly<Record<string, { postedMs: number; exposedMs: number }>>;
  /** The step's own matrix products and nothing else, and its optimizer alone. */
  readonly productsMs: readonly number[];
  readonly optimizerMs: readonly number[];
  /** What moving the optimizer's bytes takes at the rate of a large copy. */
  readonly optimizerFloorMs: number;
  /** That rate: reads and writes counted. */
  readonly copyBytesPerMs: number;
  readonly flops: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** What went through the interfaces of each rank's machine during the timed steps; null: the
   * ranks are threads, or the system does not say. */
  readonly wire: WireReport | null;
  readonly allocatedBytes: number;
}

export interface WireReport {
  readonly steps: number;
  /** Counted by the recorder in rank 0, of the network and of the agreement on the loss. */
  readonly payloadSentBytes: number;
  readonly collectives: number;
  readonly byRank: readonly WireCounts[];
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

/** The counts, in the order in which ranks exchange them. */
const WIRE = ['sentBytes', 'sentPackets', 'receivedBytes', 'receivedPackets'] as const;

/** Reads and writes of one parameter element, in bytes. */
const OPTIMIZER_BYTES = { sgd: 12, momentum: 20, adam: 28, adamw: 28 };

await runRankProgram<StepRequest>(
  async ({ data, transport, localRank, uninterrupted }): Promise<StepTimings> => {
    const { relaxedSimd, specification, batch, steps, warmup, weightsTo } = data;
    const bare = await uninterrupted(() => createEngine(data.engine, { relaxedSimd, localRank }));
    const run = () => {
      const parts = countedParts(bare, transport);
      const recorder = recordProducts(parts.engine);
      const { engine } = recorder;
      const network = buildNetwork(specification, engine, parts.communicator);
      network.initialize(0);
      if (weightsTo !== null) writeWeights(weightsTo, network, parts.communicator.rank);
      const objective = createObjective({
        specification,
        loss: 'mse',
        layout: network.layout,
        engine,
        columns: batch,
        samples: batch,
        inputGradient: true,
      });
      const options = { momentum: 0.9, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
      const named = { ...options, name: data.optimizer };
      const optimizer = createOptimizer(named, engine, network.parameters);
      const batches = repeated(specification, batch);
      const pass = new LossPass({ ...parts, engine, network, objective, batches });
      const stepper = new Stepper({ pass, optimizer });
      return { parts, recorder, stepper, network, optimizer };
    };

    const { parts, recorder, stepper, network, optimizer } = run();
    const losses = [stepper.step(0, 1e-4, false).loss];
    recorder.stop();
    const counted = {
      flops: parts.meters.flops(),
      sentBytes: parts.meters.sentBytes(),
      receivedBytes: parts.meters.receivedBytes(),
    };
    const { control } = parts;
    const everyones = (values: readonly number[]): number[][] => {
      const gathered = new Float64Array(control.size * values.length);
      gathered.set(values, control.rank * values.length);
      // A sum with zeros is exact, and float64.
      control.allReduceSum(gathered);
      return Array.from({ length: control.size }, (_, rank) => [
        ...gathered.subarray(rank * values.length, (rank + 1) * values.length),
      ]);
    };
    /** Of the ranks' values in each step. */
    const pickOf = (pick: typeof Math.max, all: number[][]): number[] =>
      (all[0] ?? []).map((_, i) => pick(...all.map((of) => of[i] ?? 0)));
    const slowest = (values: readonly number[]) => pickOf(Math.max, everyones(values));
    const recorders = [parts.communicator, control].map(({ transport: one }) => {
      if (!(one instanceof RecordingTransport)) throw new TypeError('nothing is recorded');
      return one;
    });
    const recorded = () => {
      const records = recorders.flatMap(({ record }) => Object.values(record));
      return {
        sentBytes: records.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
        calls: records.reduce((sum, { calls }) => sum + calls, 0),
      };
    };
    const times = () =>
      COLLECTIVES.map((name) => [name, { ...parts.meters.collectives[name] }] as const);

    for (let step = 1; step <= warmup; step++) losses.push(stepper.step(step, 1e-4, false).loss);
    bare.synchronize();
    control.barrier();
    const before = { times: times(), recorded: recorded(), wire: readWire() };
    const stepsMs: number[] = [];
    const exposedMs: number[] = [];
    for (let step = warmup + 1; step <= warmup + steps; step++) {
      const exposed = parts.meters.exposedS();
      const began = performance.now();
      const { loss } = stepper.step(step, 1e-4, false);
      stepsMs.push(performance.now() - began);
      losses.push(loss);
      exposedMs.push(1000 * (parts.meters.exposedS() - exposed));
    }
    const after = { times: times(), recorded: recorded(), wire: readWire() };
    // No rank goes on before the others have read what their interfaces carried.
    control.barrier();
    const collectives = after.times.map(([name, { postedS, exposedS }], i) => {
      const since = before.times[i]?.[1] ?? { postedS: 0, exposedS: 0 };
      return [
        name,
        { postedS: postedS - since.postedS, exposedS: exposedS - since.exposedS },
      ] as const;
    });
    const ofNetwork = collectives.filter(([name]) => name !== 'agreement');
    const wire = wireBetween(before.wire, after.wire);
    const productsMs = repeat(steps, () => {
      control.barrier();
      const began = performance.now();
      for (const product of recorder.products) bare.gemm(...product);
      bare.synchronize();
      return performance.now() - began;
    });
    const optimizerMs = repeat(steps, () => {
      control.barrier();
      const began = performance.now();
      optimizer.step(1, 0, 1);
      bare.synchronize();
      return performance.now() - began;
    });
    const exposed = everyones(exposedMs);
    const { allocatedBytes } = bare;
    control.barrier();
    const copyBytesPerMs = 1e6 * copyRate(bare);
    const elements = network.parameters.reduce((sum, { value }) => sum + value.length, 0);
    return {
      engine: bare.description,
      communicator: transport.description,
      stepsMs: slowest(stepsMs),
      losses,
      exposedMs: pickOf(Math.max, exposed),
      leastExposedMs: pickOf(Math.min, exposed),
      hiddenShare: hiddenShare({
        postedS: ofNetwork.reduce((sum, [, { postedS }]) => sum + postedS, 0),
        exposedS: ofNetwork.reduce((sum, [, { exposedS }]) => sum + exposedS, 0),
      }),
      collectives: Object.fromEntries(
        collectives.map(([name, { postedS, exposedS }]) => [
          name,
          { postedMs: (1000 * postedS) / steps, exposedMs: (1000 * exposedS) / steps },
        ]),
      ),
      productsMs: slowest(productsMs),
      optimizerMs: slowest(optimizerMs),
      wire:
        transport.name !== 'mpi' || wire === null
          ? null
          : {
              steps,
              payloadSentBytes: after.recorded.sentBytes - before.recorded.sentBytes,
              collectives: after.recorded.calls - before.recorded.calls,
              byRank: everyones(WIRE.map((name) => wire[name])).map(wireOf),
            },
      ...counted,
      optimizerFloorMs: (elements * OPTIMIZER_BYTES[data.optimizer]) / copyBytesPerMs,
      copyBytesPerMs,
      allocatedBytes,
    };
  },
);

function wireBetween(before: WireCounts | null, after: WireCounts | null): WireCounts | null {
  if (before === null || after === null) return null;
  return wireOf(WIRE.map((name) => after[name] - before[name]));
}

function wireOf(values: readonly number[]): WireCounts {
  const [sentBytes = 0, sentPackets = 0, receivedBytes = 0, receivedPackets = 0] = values;
  return { sentBytes, sentPackets, receivedBytes, receivedPackets };
}

function repeat(times: number, measure: () => number): number[] {
  return Array.from({ length: times }, measure);
}

/** Bytes per ns that a copy larger than the caches moves, 128 MiB of both, reads and writes counted. */
function copyRate(engine: Engine): number {
  const [from, to] = [engine.allocate([16 << 20]), engine.allocate([16 << 20])];
  const times = repeat(7, () => {
    const began = performance.now();
    engine.copy(from, to);
    engine.synchronize();
    return performance.now() - began;
  });
  return (2 * 4 * from.length) / (Math.min(...times) * 1e6);
}
