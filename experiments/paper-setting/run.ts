// The paper's setting, input and target as wide as the layers: see README.md in this folder.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { plan } from '#src/app/plan/plan-step.js';
import { createEngine } from '#src/app/ranks/engines.js';
import type { ArrayData } from '#src/data/arrays.js';
import type { DataParts } from '#src/data/dataset.js';
import { openDataset } from '#src/data/sources.js';
import type { Strategy } from '#src/layers/strategies.js';
import { randomStream } from '#src/tensor/random.js';
import { SoloTraining } from '../support/solo-training.js';

const HELP = `node build/experiments/paper-setting/run.js [--out experiments/paper-setting] [--widths 512,1024]
  [--blocks 2,4,8,16,32] [--ghosts 8] [--steps 100] [--seeds 3] [--rates 1.5,4.5,13.5]
  [--phantom-rates as --rates] [--no-paired] [--tables]

For every width: each network at all rates (these numbers over N) with a seed of its own, then at its best
rate with all seeds, to the loss that tensor ends with after --steps, in at most twice the steps. With
--seeds 0 the seed of the sweep is the only one, and with one rate there is no sweep. --no-paired takes
tensor's runs for tensor-paired, whose numbers differ by rounding. What results.json in --out has is not
trained again. --tables only prints what is there.`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    'phantom-rates': { type: 'string' },
    tables: { type: 'boolean', default: false },
    'no-paired': { type: 'boolean', default: false },
    out: { type: 'string', default: 'experiments/paper-setting' },
    widths: { type: 'string', default: '512,1024' },
    blocks: { type: 'string', default: '2,4,8,16,32' },
    ghosts: { type: 'string', default: '8' },
    steps: { type: 'string', default: '100' },
    seeds: { type: 'string', default: '3' },
    rates: { type: 'string', default: '1.5,4.5,13.5' },
  },
});

const [BATCH, DEPTH, MODES, EVERY] = [128, 2, 8, 5];
const [ROWS, VALIDATION_ROWS] = [4096, 256];
const MACHINE = 'mi250x';
/** Of a loss that counts as reached: tensor-paired differs from tensor by rounding alone. */
const TOLERANCE = 1.001;

/** A network of a width. Tensor strategies compute the same for every P. */
interface Network {
  readonly width: number;
  readonly strategy: Strategy;
  readonly blocks: number;
  readonly ghosts: number;
}

interface Run extends Network {
  readonly rate: number;
  readonly seed: number;
  readonly steps: number;
  /** `sweep`: to choose the rate; `judged`: to the loss of tensor, in up to so many steps. */
  readonly role: 'sweep' | 'judged';
  /** CPU time per step. */
  readonly stepCpuS: number;
  /** Of validations, as step and loss; null: not finite. */
  readonly losses: readonly (readonly [step: number, loss: number])[] | null;
}

/**
 * Periodic functions u of 8 random modes, of variance 1, on a grid of N points, and what follows from
 * them on the same grid: (u(t)² + u(t + 1/8)²) / 2 − 1.
 */
function functions(width: number, rows: number, part: string): ArrayData {
  const [x, y] = [new Float32Array(rows * width), new Float32Array(rows * width)];
  const waves = Array.from({ length: 2 * MODES }, (_, w) =>
    Float32Array.from({ length: width }, (__, n) => {
      const angle = (2 * Math.PI * (1 + (w >> 1)) * n) / width;
      return (w % 2 === 0 ? Math.cos(angle) : Math.sin(angle)) / Math.sqrt(MODES);
    }),
  );
  const amplitudes = new Float32Array(waves.length);
  const stream = randomStream(0, `functions ${part}`);
  for (let row = 0; row < rows; row++) {
    stream.fillNormal(amplitudes, waves.length * row);
    const u = x.subarray(row * width, (row + 1) * width);
    for (const [w, wave] of waves.entries()) {
      for (let n = 0; n < width; n++) u[n] += amplitudes[w] * wave[n];
    }
    const target = y.subarray(row * width, (row + 1) * width);
    for (let n = 0; n < width; n++) {
      target[n] = (u[n] ** 2 + u[(n + width / 8) % width] ** 2) / 2 - 1;
    }
  }
  const shape = [rows, width] as const;
  return { x: { data: x, shape }, y: { data: y, shape } };
}

const numbers = (list: string) => list.split(',').map(Number);
const file = path.join(values.out, 'results.json');
const results: Run[] = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Run[]) : [];
const engine = await createEngine('auto');

type Wanted = Omit<Run, 'losses' | 'stepCpuS'>;

/** Trains to a loss, or for all steps. */
function trained(wanted: Wanted, data: DataParts, target: number) {
  const { width, strategy, blocks, ghosts, seed, steps, rate } = wanted;
  const training = new SoloTraining({
    engine,
    data,
    steps,
    seed,
    batch: BATCH,
    loss: 'mse',
    validateEvery: EVERY,
    specification: {
      width,
      strategy,
      blocks,
      ghosts,
      depth: DEPTH,
      activation: 'gelu',
      ends: { kind: 'sharded' },
    },
  });
  const losses: [number, number][] = [];
  for (let step = 0; step < steps; step++) {
    const loss = training.step(step, rate / width);
    if (loss === null) continue;
    losses.push([step + 1, loss]);
    if (loss <= target * TOLERANCE) break;
  }
  return { losses, stepCpuS: training.cpuS / (losses.at(-1)?.[0] ?? 1) };
}

async function runOf(wanted: Wanted, data: DataParts, target = 0): Promise<Run> {
  const known = results.find((one) =>
    Object.entries(wanted).every(([key, value]) => one[key as keyof Run] === value),
  );
  if (known !== undefined) return known;
  let run: Run = { ...wanted, losses: null, stepCpuS: Number.NaN };
  try {
    run = { ...wanted, ...trained(wanted, data, target) };
  } catch (error) {
    console.error(String(error));
  }
  keep(run);
  return run;
}

function keep(run: Run): void {
  results.push(run);
  writeFileSync(file, `${JSON.stringify(results)}\n`);
  console.error(JSON.stringify({ ...run, losses: run.losses?.at(-1) ?? null }));
}

const lastOf = ({ losses }: Run) => losses?.at(-1)?.[1] ?? Infinity;

/** The networks of a width: the tensor strategies first, which set the loss. */
function networks(width: number): Network[] {
  const ghosts = Number(values.ghosts);
  const phantoms = numbers(values.blocks).flatMap((blocks): Network[] =>
    ghosts > width / blocks ? [] : [{ width, strategy: 'phantom', blocks, ghosts }],
  );
  const baselines = (['tensor', 'tensor-paired'] as const).map((strategy): Network => ({
    width,
    strategy,
    blocks: 2,
    ghosts: 1,
  }));
  return [...baselines, ...phantoms];
}

async function study(width: number): Promise<void> {
  const [steps, seeds] = [Number(values.steps), Number(values.seeds)];
  const sweepSeed = 100;
  const data = await openDataset(functions(width, ROWS, 'training'), {
    validation: functions(width, VALIDATION_ROWS, 'validation'),
  });
  const targets = new Map<number, number>();
  for (const network of networks(width)) {
    const own = network.strategy === 'phantom' ? values['phantom-rates'] : undefined;
    const rates = numbers(own ?? values.rates);
    if (network.strategy === 'tensor-paired' && values['no-paired']) continue;
    const tried: Run[] = [];
    for (const rate of rates.length > 1 ? rates : []) {
      const of = { ...network, rate, steps, seed: sweepSeed, role: 'sweep' } as const;
      tried.push(await runOf(of, data));
    }
    const best = tried.toSorted((a, b) => lastOf(a) - lastOf(b))[0]?.rate ?? rates[0] ?? 1;
    const isFirst = network.strategy === 'tensor';
    for (const seed of seeds === 0 ? [sweepSeed] : Array.from({ length: seeds }, (_, s) => s)) {
      const of = { ...network, rate: best, seed, steps: isFirst ? steps : 2 * steps };
      const run = await runOf({ ...of, role: 'judged' }, data, targets.get(seed) ?? 0);
      if (isFirst) targets.set(seed, lastOf(run));
    }
  }
}

const spread = (all: readonly number[], digits: number): string => {
  const sorted = all.toSorted((a, b) => a - b).map((one) => one.toFixed(digits));
  const [least, median, most] = [0, (sorted.length - 1) >> 1, sorted.length - 1].map(
    (place) => sorted[place] ?? '',
  );
  return least === most ? least : `${median} (${least}–${most})`;
};

/** What a network takes to the loss that tensor ends with, as a multiple of tensor's. */
async function cellsOf(
  network: Network,
  blocks: number,
  judged: readonly Run[],
): Promise<string[]> {
  const { width, strategy, ghosts } = network;
  const tensors = judged.filter((run) => run.width === width && run.strategy === 'tensor');
  const own = judged.filter(
    (run) =>
      run.width === width &&
      run.strategy === strategy &&
      run.blocks === network.blocks &&
      run.ghosts === ghosts,
  );
  const isTensor = own.length === 0 && strategy === 'tensor-paired';
  const runs = isTensor ? tensors : own;
  const reached = runs.flatMap((run) => {
    const tensor = tensors.find(({ seed }) => seed === run.seed);
    if (tensor === undefined) return [];
    const target = lastOf(tensor) * TOLERANCE;
    const stepsOf = ({ losses }: Run) => losses?.find(([, loss]) => loss <= target)?.[0] ?? null;
    const [steps, its] = [stepsOf(run), stepsOf(tensor)];
    return steps === null || its === null ? [] : [{ run, tensor, steps, its }];
  });
  const name = strategy === 'phantom' ? `phantom, K = ${ghosts}` : strategy;
  const head = [name, String(blocks), runs[0]?.rate === undefined ? '' : `${runs[0].rate}/N`];
  if (runs.length === 0) return [];
  if (reached.length < runs.length) {
    return [...head, `${reached.length} of ${runs.length} seeds reach it`, '–', '–', '–', '–'];
  }
  const planned = async (of: Strategy) => {
    const sizes = { width, depth: DEPTH, batch: BATCH, blocks, machine: MACHINE };
    return plan({ ...sizes, strategy: of, ...(of === 'phantom' && { ghosts }) });
  };
  const [planOf, base] = [await planned(strategy), await planned('tensor')];
  const ratio = (of: (one: (typeof reached)[number]) => number) => spread(reached.map(of), 2);
  const byPlan = (a: number, b: number) => ratio((one) => (one.steps * a) / (one.its * b));
  return [
    ...head,
    spread(
      reached.map((one) => one.steps),
      0,
    ),
    byPlan(planOf.forwardFlops + planOf.backwardFlops, base.forwardFlops + base.backwardFlops),
    byPlan(planOf.receivedBytes, base.receivedBytes),
    isTensor
      ? ''
      : ratio((one) => (one.steps * one.run.stepCpuS) / (one.its * one.tensor.stepCpuS)),
    byPlan(planOf.energy?.energyJ ?? Number.NaN, base.energy?.energyJ ?? Number.NaN),
  ];
}

async function table(width: number): Promise<void> {
  const judged = results.filter(({ role }) => role === 'judged');
  const losses = judged.filter((run) => run.width === width && run.strategy === 'tensor');
  console.log(`\nN = ${width}, to the loss ${spread(losses.map(lastOf), 3)}\n`);
  console.log(
    `| | P | rate | steps | FLOPs / tensor | received / tensor | CPU time / tensor | energy / tensor, ${MACHINE} |`,
  );
  console.log('|---|---|---|---|---|---|---|---|');
  for (const blocks of numbers(values.blocks)) {
    for (const network of networks(width)) {
      if (network.strategy === 'phantom' && network.blocks !== blocks) continue;
      const cells = await cellsOf(network, blocks, judged);
      if (cells.length > 0) console.log(`| ${cells.join(' | ')} |`);
    }
  }
}

if (values.help) console.log(HELP);
else {
  for (const width of numbers(values.widths)) {
    if (!values.tables) await study(width);
    await table(width);
  }
}
