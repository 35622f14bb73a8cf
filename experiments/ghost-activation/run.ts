// Phantom networks with and without a non-linearity on their ghosts: see README.md in this folder.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { createEngine } from '#src/app/ranks/engines.js';
import type { TaskName } from '../support/tasks.js';
import { trainTask } from '../support/train-task.js';

const HELP = `node build/experiments/ghost-activation/run.js [--out experiments/ghost-activation]
  [--tasks fashion-10k,steam] [--ghosts 4,8,16] [--rates 1e-3,3e-3,1e-2,3e-2,1e-1] [--seeds 3]

Trains every network at all rates with a seed of its own, and at its best rate with all seeds; what
results.json in --out has is not trained again.`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    out: { type: 'string', default: 'experiments/ghost-activation' },
    tasks: { type: 'string', default: 'fashion-10k,steam' },
    ghosts: { type: 'string', default: '4,8,16' },
    rates: { type: 'string', default: '1e-3,3e-3,1e-2,3e-2,1e-1' },
    seeds: { type: 'string', default: '3' },
  },
});

const GHOST_ACTIVATIONS = ['none', 'silu', 'tanh'] as const;
type GhostActivation = (typeof GHOST_ACTIVATIONS)[number];

interface Network {
  readonly task: TaskName;
  readonly ghosts: number;
  readonly activation: GhostActivation;
}

interface Run extends Network {
  readonly rate: number;
  readonly seed: number;
  /** null: it was not finite. */
  readonly loss: number | null;
}

const engine = await createEngine('auto');

async function trained(run: Omit<Run, 'loss'>): Promise<number> {
  const { task, ghosts, activation, rate, seed } = run;
  const ghostActivation = activation !== 'none' && { ghostActivation: activation };
  const network = { strategy: 'phantom', ghosts, ...ghostActivation } as const;
  return trainTask({ engine, task, network, rate, seed });
}

const numbers = (list: string) => list.split(',').map(Number);
const file = path.join(values.out, 'results.json');
const results: Run[] = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Run[]) : [];

async function runOf(wanted: Omit<Run, 'loss'>): Promise<Run> {
  const entries = Object.entries(wanted);
  const known = results.find((one) =>
    entries.every(([key, value]) => one[key as keyof Run] === value),
  );
  if (known !== undefined) return known;
  let loss: number | null = null;
  try {
    loss = await trained(wanted);
  } catch (error) {
    console.error(String(error));
  }
  const run = { ...wanted, loss };
  results.push(run);
  writeFileSync(file, `${JSON.stringify(results)}\n`);
  console.error(JSON.stringify(run));
  return run;
}

async function main(): Promise<void> {
  const seeds = Number(values.seeds);
  console.log('| task | K | on ghosts | rate | validation loss, median (least to most) |');
  console.log('|---|---|---|---|---|');
  for (const task of values.tasks.split(',') as TaskName[]) {
    for (const ghosts of numbers(values.ghosts)) {
      for (const activation of GHOST_ACTIVATIONS) {
        const network: Network = { task, ghosts, activation };
        const tried: Run[] = [];
        for (const rate of numbers(values.rates)) {
          tried.push(await runOf({ ...network, rate, seed: seeds }));
        }
        const lossOf = ({ loss }: Run) => loss ?? Infinity;
        const best = tried.toSorted((a, b) => lossOf(a) - lossOf(b))[0];
        if (best === undefined) throw new TypeError('no rates');
        const losses: number[] = [];
        for (let seed = 0; seed < seeds; seed++) {
          losses.push(lossOf(await runOf({ ...network, rate: best.rate, seed })));
        }
        const sorted = losses.toSorted((a, b) => a - b).map((loss) => loss.toPrecision(4));
        const median = sorted[Math.floor(sorted.length / 2)];
        const span = `${sorted[0]} to ${sorted.at(-1)}`;
        console.log(`| ${task} | ${ghosts} | ${activation} | ${best.rate} | ${median} (${span}) |`);
      }
    }
  }
}

if (values.help) console.log(HELP);
else await main();
