// Measured step times against those that the analysis predicts from a calibration.
import { parseArgs } from 'node:util';
import { type Plan, planStep } from '#src/analysis/plan.js';
import type { Machine } from '#src/machine/machine.js';
import { readMachine } from '#src/machine/machines.js';
import { type Strategy, STRATEGY_NAMES } from '#src/layers/strategies.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import type { EngineChoice } from '#src/engines/engine-list.js';
import type { Dtype } from '#src/tensor/tensor.js';
import { quantile, timeSteps } from './step.js';

const HELP = `npm run bench -- prediction --machine machines/<name>.json [--json]
  [--compute float32|bfloat16] [--engine auto|blas|wasm|cuda] [--steps 20] [--from 0] [--to 24]

Times 24 shapes of networks for each strategy, none of which has a size that phantom calibrate
measures, and prints measured and predicted step times. Measured is the lower quartile of the
steps, as in a calibration: other programs may use the machine too. --from and --to take a part of them.`;

interface Shape {
  readonly width: number;
  readonly depth: number;
  readonly blocks: number;
  readonly ranks: number;
  readonly ghosts: number;
  readonly batch: number;
}

const shape = (
  width: number,
  depth: number,
  blocks: number,
  ranks: number,
  ghosts: number,
  batch: number,
): Shape => ({ width, depth, blocks, ranks, ghosts, batch });

/** Widths, batches and ghosts between the sizes of a calibration. */
const SHAPES: readonly Shape[] = [
  shape(384, 2, 2, 2, 12, 48),
  shape(384, 4, 2, 2, 24, 96),
  shape(480, 3, 2, 2, 20, 160),
  shape(576, 2, 2, 2, 36, 80),
  shape(640, 4, 2, 2, 10, 112),
  shape(720, 2, 2, 2, 45, 144),
  shape(768, 3, 2, 2, 24, 96),
  shape(864, 2, 2, 2, 54, 200),
  shape(960, 4, 2, 2, 30, 48),
  shape(1152, 2, 2, 2, 72, 96),
  shape(1280, 3, 2, 2, 20, 160),
  shape(1440, 2, 2, 2, 90, 112),
  shape(1536, 2, 2, 2, 48, 200),
  shape(1728, 3, 2, 2, 27, 80),
  shape(1920, 2, 2, 2, 60, 144),
  shape(2304, 2, 2, 2, 36, 96),
  shape(2560, 2, 2, 2, 80, 160),
  shape(2880, 2, 2, 2, 45, 112),
  shape(768, 2, 4, 2, 12, 112),
  shape(1152, 3, 4, 2, 36, 80),
  shape(1536, 2, 6, 2, 16, 96),
  shape(2304, 2, 4, 2, 72, 144),
  shape(960, 2, 4, 1, 20, 96),
  shape(1440, 2, 2, 1, 60, 80),
];
/** Smaller ratios count as equal. */
const APART = 1.1;

interface Row extends Shape {
  readonly strategy: Strategy;
  readonly measuredMs: number;
  readonly predictedMs: number;
  /** Predicted over measured, less one. */
  readonly error: number;
  readonly measuredParts: Parts;
  readonly predictedParts: Parts;
}

interface Parts {
  readonly productsMs: number;
  readonly updateMs: number;
  readonly exposedMs: number;
}

export async function predictionBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      machine: { type: 'string' },
      engine: { type: 'string', default: 'auto' },
      compute: { type: 'string', default: 'float32' },
      steps: { type: 'string', default: '20' },
      from: { type: 'string', default: '0' },
      to: { type: 'string', default: String(SHAPES.length) },
    },
  });
  if (values.help || values.machine === undefined) {
    console.log(HELP);
    return;
  }
  const compute = (['float32', 'bfloat16'] as const).find((name) => name === values.compute);
  if (compute === undefined) {
    console.error(`[prediction] --compute ${values.compute}; float32 or bfloat16 is`);
    process.exitCode = 2;
    return;
  }
  const machine = await readMachine(values.machine);
  const request: Request = {
    compute,
    engine: values.engine as EngineChoice,
    steps: Number(values.steps),
  };
  const rows: Row[] = [];
  for (const one of SHAPES.slice(Number(values.from), Number(values.to))) {
    for (const strategy of STRATEGY_NAMES) {
      const row = await compare({ ...one, strategy }, machine, request);
      rows.push(row);
      if (!values.json) console.log(line(row));
    }
  }
  const summary = summarize(rows);
  if (values.json) console.log(JSON.stringify({ machine: values.machine, rows, ...summary }));
  else console.log(JSON.stringify(summary, null, 2));
}

interface Request {
  readonly compute: Dtype;
  readonly engine: EngineChoice;
  readonly steps: number;
}

async function compare(
  one: Shape & { readonly strategy: Strategy },
  machine: Machine,
  { compute, engine, steps }: Request,
): Promise<Row> {
  const { ranks, batch, ...network } = one;
  const specification: NetworkSpecification = {
    ...network,
    compute,
    activation: 'relu',
    ends: { kind: 'sharded' },
  };
  const optimizer = 'adam';
  const plan = planStep(
    {
      specification,
      ranks,
      columns: batch,
      loss: 'mse',
      optimizer,
      average: false,
      inputGradient: true,
    },
    machine,
  );
  const timings = await timeSteps(
    {
      specification,
      batch,
      engine,
      relaxedSimd: false,
      optimizer,
      // In half a second each: small steps are compiled only after hundreds of them.
      steps: Math.max(steps, Math.min(400, Math.ceil(400 / (1e3 * (plan.time?.stepS ?? 1))))),
      warmup: Math.max(5, Math.min(300, Math.ceil(250 / (1e3 * (plan.time?.stepS ?? 1))))),
      weightsTo: null,
    },
    ranks,
  );
  if (timings === null) throw new Error('not rank 0');
  const measuredMs = quantile(timings.stepsMs, 0.25);
  const predictedMs = 1e3 * (plan.time?.stepS ?? Number.NaN);
  return {
    ...one,
    measuredMs,
    predictedMs,
    error: predictedMs / measuredMs - 1,
    measuredParts: {
      productsMs: quantile(timings.productsMs, 0.25),
      updateMs: quantile(timings.optimizerMs, 0.25),
      exposedMs: quantile(timings.exposedMs, 0.25),
    },
    predictedParts: partsOf(plan),
  };
}

function partsOf({ time }: Plan): Parts {
  if (time === null) throw new Error('the machine file has no communication times');
  const { local, compression, decompression } = time.products;
  return {
    productsMs: 1e3 * (local + compression + decompression),
    updateMs: 1e3 * time.updateS,
    exposedMs: 1e3 * time.exposedS,
  };
}

const ms = (value: number) => value.toFixed(2).padStart(7);
const percent = (share: number) => `${(100 * share).toFixed(1)}%`.padStart(7);

function line(row: Row): string {
  const { width, depth, blocks, ranks, ghosts, batch, strategy } = row;
  const name = `N ${width} L ${depth} P ${blocks} R ${ranks} K ${ghosts} B ${batch}`.padEnd(36);
  const part = (what: keyof Parts) =>
    `${ms(row.measuredParts[what])} /${ms(row.predictedParts[what])}`;
  return (
    `${name} ${strategy.padEnd(13)} measured ${ms(row.measuredMs)} predicted ` +
    `${ms(row.predictedMs)} ms ${percent(row.error)}  products ${part('productsMs')}  ` +
    `update ${part('updateMs')}  exposed ${part('exposedMs')}`
  );
}

/** Errors in the middle, and whether strategies that differ by over 10% come in the right order. */
function summarize(rows: readonly Row[]) {
  const errors = (of: readonly Row[]) =>
    quantile(
      of.map(({ error }) => Math.abs(error)),
      0.5,
    );
  let [apart, right] = [0, 0];
  for (const a of rows) {
    for (const b of rows) {
      const same = (['width', 'depth', 'blocks', 'ranks', 'batch', 'ghosts'] as const).every(
        (key) => a[key] === b[key],
      );
      if (!same || a.measuredMs < APART * b.measuredMs) continue;
      apart++;
      if (a.predictedMs > b.predictedMs) right++;
    }
  }
  return {
    medianAbsoluteError: errors(rows),
    byStrategy: Object.fromEntries(
      STRATEGY_NAMES.map((strategy) => [
        strategy,
        errors(rows.filter((row) => row.strategy === strategy)),
      ]),
    ),
    largestAbsoluteError: Math.max(...rows.map(({ error }) => Math.abs(error))),
    pairsApart: apart,
    pairsInOrder: right,
  };
}
