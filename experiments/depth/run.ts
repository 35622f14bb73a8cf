// Chains of layers and residual blocks of several depths: see README.md in this folder.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { train } from '#src/app/train/train.js';
import { chartFile } from '#src/report/chart-file.js';
import type { XyFigure } from '#src/report/figure.js';
import { type Strategy, STRATEGY_NAMES } from '#src/layers/strategies.js';
import type { TrainingEvent } from '#src/training/events.js';

const HELP = `node build/experiments/depth/run.js [--out experiments/depth] [--depths 2,4,8,16]
  [--rates 1e-3,3e-3] [--seeds 0] [--epochs 4]

Trains plain and residual networks of every strategy, depth, rate and seed; what results.json in --out
has is not trained again.`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    out: { type: 'string', default: 'experiments/depth' },
    depths: { type: 'string', default: '2,4,8,16' },
    rates: { type: 'string', default: '1e-3,3e-3' },
    seeds: { type: 'string', default: '0' },
    epochs: { type: 'string', default: '4' },
  },
});

/** One network, and what it lost on the validation images, epoch by epoch. */
interface Trained {
  readonly strategy: Strategy;
  readonly architecture: 'plain' | 'residual';
  readonly depth: number;
  readonly rate: number;
  readonly seed: number;
  readonly epochs: number;
  readonly parameters: number;
  readonly losses: readonly number[];
  readonly accuracy: number;
}

type Network = Omit<Trained, 'parameters' | 'losses' | 'accuracy'>;

const numbers = (list: string) => list.split(',').map(Number);
const file = path.join(values.out, 'results.json');
const results: Trained[] = existsSync(file)
  ? (JSON.parse(readFileSync(file, 'utf8')) as Trained[])
  : [];

async function trained(network: Network): Promise<Trained> {
  const folder = mkdtempSync(path.join(tmpdir(), 'depth-'));
  const { strategy, architecture, depth, rate: lr, seed, epochs } = network;
  const out = path.join(folder, 'run');
  await train({
    strategy,
    architecture,
    depth,
    lr,
    seed,
    epochs,
    out,
    data: 'fashion-10k',
    width: 64,
    blocks: 4,
    ghosts: 8,
    ranks: 1,
    batch: 64,
    schedule: 'cosine',
  });
  const events = readFileSync(path.join(out, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as TrainingEvent);
  rmSync(folder, { recursive: true });
  const validations = events.flatMap((event) => (event.type === 'validation' ? [event] : []));
  const start = events.find((event) => event.type === 'start');
  return {
    ...network,
    parameters: start?.parameters ?? Number.NaN,
    losses: validations.map(({ loss }) => loss),
    accuracy: validations.at(-1)?.accuracy ?? Number.NaN,
  };
}

/** At the better rate, the mean over the seeds of each epoch's loss. */
function best(strategy: Strategy, architecture: Trained['architecture'], depth: number) {
  const runs = results.filter(
    (one) => one.strategy === strategy && one.architecture === architecture && one.depth === depth,
  );
  const rates = [...new Set(runs.map(({ rate }) => rate))].map((rate) => {
    const same = runs.filter((one) => one.rate === rate);
    const mean = (of: (one: Trained) => number) =>
      same.reduce((sum, one) => sum + of(one), 0) / same.length;
    const losses = (same[0]?.losses ?? []).map((_, epoch) => mean((one) => one.losses[epoch]));
    return { rate, losses, accuracy: mean((one) => one.accuracy), parameters: same[0].parameters };
  });
  return rates.toSorted((a, b) => (a.losses.at(-1) ?? 0) - (b.losses.at(-1) ?? 0))[0];
}

function report(depths: readonly number[]): void {
  console.log('| strategy | architecture | depth | parameters | rate | loss by epoch | accuracy |');
  console.log('|---|---|---|---|---|---|---|');
  for (const strategy of STRATEGY_NAMES) {
    const series: XyFigure['series'] = (['plain', 'residual'] as const).map((architecture) => ({
      label: architecture,
      points: depths.flatMap((depth) => {
        const found = best(strategy, architecture, depth);
        return found === undefined ? [] : [{ x: depth, y: found.losses.at(-1) ?? Number.NaN }];
      }),
    }));
    for (const architecture of ['plain', 'residual'] as const) {
      for (const depth of depths) {
        const found = best(strategy, architecture, depth);
        if (found === undefined) continue;
        const losses = found.losses.map((loss) => loss.toFixed(3)).join(', ');
        console.log(
          `| ${strategy} | ${architecture} | ${depth} | ${found.parameters} | ${found.rate} | ` +
            `${losses} | ${(100 * found.accuracy).toFixed(1)}% |`,
        );
      }
    }
    const chart: XyFigure = {
      kind: 'lines',
      title: `Validation loss by depth, ${strategy}`,
      description: 'Chains of layers and residual blocks, each at the better of its rates.',
      x: { label: 'depth', scale: 'log2' },
      y: { label: 'validation loss', scale: 'linear' },
      series,
    };
    writeFileSync(path.join(values.out, `${strategy}.svg`), chartFile(chart));
  }
}

async function main(): Promise<void> {
  const depths = numbers(values.depths);
  const epochs = Number(values.epochs);
  for (const seed of numbers(values.seeds)) {
    for (const depth of depths) {
      for (const strategy of STRATEGY_NAMES) {
        for (const architecture of ['plain', 'residual'] as const) {
          for (const rate of numbers(values.rates)) {
            const network: Network = { strategy, architecture, depth, rate, seed, epochs };
            const entries = Object.entries(network);
            const isDone = results.some((one) =>
              entries.every(([key, value]) => one[key as keyof Network] === value),
            );
            if (isDone) continue;
            const result = await trained(network);
            results.push(result);
            writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
            console.log(JSON.stringify(result));
          }
        }
      }
    }
  }
  report(depths);
}

if (values.help) console.log(HELP);
else await main();
