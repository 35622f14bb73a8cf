// A whole training step against its bare matrix products and the optimizer's memory traffic.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { largestPayloadBytes } from '#src/analysis/network-cost.js';
import { joinRanks } from '#src/app/ranks/ranks.js';
import { findLauncher } from '#src/communicators/launcher.js';
import { exchangesGhosts, type Strategy } from '#src/layers/strategies.js';
import type { NetworkSpecification, ResidualBlocks } from '#src/model/specification.js';
import type { OptimizerName } from '#src/optimizers/optimizer-list.js';
import type { EngineChoice } from '#src/engines/engine-list.js';
import type { GhostPrecision } from '#src/tensor/precision.js';
import type { Dtype } from '#src/tensor/tensor.js';
import type { StepRequest, StepTimings } from './step-rank.js';

const HELP = `npm run bench -- step [--json] [--strategy phantom|tensor|tensor-paired]
  [--width 2048] [--depth 2] [--blocks 2] [--ranks 2] [--ghosts 64] [--batch 128]
  [--ghost-precision float32|bfloat16|int8] [--compute float32|bfloat16] [--architecture plain|residual] [--norm rms|none]
  [--expansion 2] [--gated] [--recompute 0]
  [--engine auto|blas|wasm|cuda] [--relaxed-simd] [--optimizer adam] [--steps 30]

Times steps of the hidden layers alone, with sharded ends, and with the gradient of the input as
inside a deeper network: FLOPs and bytes are those of L layers or residual blocks, three passes each. A time is that of
the slowest rank, step by step; leastExposedMs is the time in which all ranks were blocked in
collectives, exposedMs also has one rank's waiting for another's work. Under mpirun each process is a rank, and
the bytes that the machine's interfaces carried during the timed steps are listed by rank (Linux).`;

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.round(q * (sorted.length - 1)))] ?? Number.NaN;
}

/** Runs steps on ranks. @returns null in a process that is not rank 0 of its job */
export async function timeSteps(request: StepRequest, size: number): Promise<StepTimings | null> {
  const ranks = await joinRanks({
    launcher: findLauncher(),
    size,
    module: new URL('step-rank.js', import.meta.url),
    timeoutS: 60,
    bind: 'auto',
    onWarning: (message) => process.stderr.write(`warning: ${message}\n`),
    onMessage: () => {},
  });
  const payload = largestPayloadBytes(request.specification, size, request.batch);
  const stagingBytes = Math.max(65536, payload);
  const { done } = ranks.start({ data: request, threads: { stagingBytes } });
  const timings = (await done) as StepTimings;
  return ranks.here.includes(0) ? timings : null;
}

export async function stepBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: {
        type: 'boolean',
        default: false,
      },
      help: {
        type: 'boolean',
        default: false,
      },
      strategy: {
        type: 'string',
        default: 'phantom',
      },
      width: {
        type: 'string',
        default: '2048',
      },
      depth: {
        type: 'string',
        default: '2',
      },
      blocks: {
        type: 'string',
        default: '2',
      },
      ranks: { type: 'string' },
      ghosts: {
        type: 'string',
        default: '64',
      },
      'ghost-precision': {
        type: 'string',
        default: 'float32',
      },
      compute: {
        type: 'string',
        default: 'float32',
      },
      architecture: {
        type: 'string',
        default: 'plain',
      },
      norm: {
        type: 'string',
        default: 'rms',
      },
      expansion: {
        type: 'string',
        default: '2',
      },
      gated: {
        type: 'boolean',
        default: false,
      },
      recompute: {
        type: 'string',
        default: '0',
      },
      batch: {
        type: 'string',
        default: '128',
      },
      engine: {
        type: 'string',
        default: 'auto',
      },
      'relaxed-simd': {
        type: 'boolean',
        default: false,
      },
      optimizer: {
        type: 'string',
        default: 'adam',
      },
      steps: {
        type: 'string',
        default: '30',
      },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const blocks = Number(values.blocks);
  const size = Number(values.ranks ?? findLauncher()?.size ?? blocks);
  const strategy = values.strategy as Strategy;
  const compute = values.compute as Dtype;
  const asked = values['ghost-precision'] as GhostPrecision;
  const ghostPrecision = asked === 'float32' ? compute : asked;
  const specification: NetworkSpecification = {
    strategy,
    width: Number(values.width),
    depth: Number(values.depth),
    blocks,
    ghosts: Number(values.ghosts),
    compute,
    ...(exchangesGhosts(strategy) && { ghostPrecision }),
    recompute: Number(values.recompute),
    activation: 'relu',
    ends: { kind: 'sharded' },
    ...(values.architecture === 'residual' && {
      residual: {
        norm: values.norm as ResidualBlocks['norm'],
        expansion: Number(values.expansion),
        gated: values.gated,
      },
    }),
  };
  const batch = Number(values.batch);
  const request: StepRequest = {
    specification,
    batch,
    engine: values.engine as EngineChoice,
    relaxedSimd: values['relaxed-simd'],
    optimizer: values.optimizer as OptimizerName,
    steps: Number(values.steps),
    warmup: 5,
    weightsTo: null,
  };
  const timings = await timeSteps(request, size);
  if (timings === null) return;

  const stepMs = quantile(timings.stepsMs, 0.5);
  const gemmMs = quantile(timings.productsMs, 0.5);
  const exposedMs = quantile(timings.exposedMs, 0.5);
  const leastExposedMs = quantile(timings.leastExposedMs, 0.5);
  const report = {
    ...specification,
    ranks: size,
    communicator: timings.communicator,
    batch,
    optimizer: request.optimizer,
    engine: timings.engine,
    stepMs,
    stepP10Ms: quantile(timings.stepsMs, 0.1),
    stepP90Ms: quantile(timings.stepsMs, 0.9),
    gemmMs,
    optimizerMs: quantile(timings.optimizerMs, 0.5),
    optimizerFloorMs: timings.optimizerFloorMs,
    stepOverFloor: stepMs / (gemmMs + timings.optimizerFloorMs),
    exposedMs,
    exposedShare: exposedMs / stepMs,
    leastExposedMs,
    leastExposedShare: leastExposedMs / stepMs,
    hiddenShare: timings.hiddenShare,
    flopsPerRank: timings.flops,
    flopsPerS: timings.flops / (stepMs / 1e3),
    productFlopsPerS: timings.flops / (gemmMs / 1e3),
    sentBytesPerRank: timings.sentBytes,
    receivedBytesPerRank: timings.receivedBytes,
    collectives: timings.collectives,
    ...(timings.wire === null ? {} : { wire: timings.wire }),
    allocatedBytesPerRank: timings.allocatedBytes,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  };
  if (values.json) {
    console.log(JSON.stringify(report));
    return;
  }
  for (const [name, value] of Object.entries(report)) {
    const shown = typeof value === 'number' ? Number(value.toPrecision(5)) : value;
    console.log(`${name.padEnd(22)} ${typeof shown === 'object' ? JSON.stringify(shown) : shown}`);
  }
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await stepBench(process.argv.slice(2));
}
