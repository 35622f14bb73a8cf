// Validation losses of products and ghosts in low precision: see README.md in this folder.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { createEngine } from '#src/app/ranks/engines.js';
import { exchangesGhosts, type Strategy, STRATEGY_NAMES } from '#src/layers/strategies.js';
import { GHOST_PRECISIONS, type GhostPrecision } from '#src/tensor/precision.js';
import type { Dtype } from '#src/tensor/tensor.js';
import { TASKS, type TaskName } from '../support/tasks.js';
import { trainTask } from '../support/train-task.js';

const HELP = `node build/experiments/bfloat16/run.js [--out experiments/bfloat16] [--seeds 5]
  [--architectures plain,residual] [--table]

Trains every strategy on both tasks in float32 and bfloat16, and phantom with ghosts in every precision, all with
the same seeds; what results.json in --out has is not trained again. --table only prints it.`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    out: { type: 'string', default: 'experiments/bfloat16' },
    seeds: { type: 'string', default: '5' },
    architectures: { type: 'string', default: 'plain,residual' },
    table: { type: 'boolean', default: false },
  },
});

interface Network {
  readonly task: TaskName;
  readonly architecture: 'plain' | 'residual';
  readonly strategy: Strategy;
  readonly compute: Dtype;
  /** How ghosts travel; null: there are none. */
  readonly ghosts: GhostPrecision | null;
}

interface Run extends Network {
  readonly seed: number;
  /** Of the validation rows, after the last step. */
  readonly loss: number;
}

const RATE = 3e-3;
const file = path.join(values.out, 'results.json');
const results: Run[] = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Run[]) : [];

/** What is trained with each strategy. */
function formats(strategy: Strategy): Pick<Network, 'compute' | 'ghosts'>[] {
  if (!exchangesGhosts(strategy)) {
    return [
      { compute: 'float32', ghosts: null },
      { compute: 'bfloat16', ghosts: null },
    ];
  }
  return [
    ...GHOST_PRECISIONS.map((ghosts) => ({ compute: 'float32' as const, ghosts })),
    { compute: 'bfloat16', ghosts: 'bfloat16' },
    { compute: 'bfloat16', ghosts: 'int8' },
  ];
}

async function trained(network: Omit<Run, 'loss'>): Promise<number> {
  const { task, architecture, strategy, compute, ghosts, seed } = network;
  return trainTask({
    engine: await createEngine('auto'),
    task,
    network: {
      strategy,
      compute,
      ghosts: 8,
      ...(ghosts !== null && { ghostPrecision: ghosts }),
      ...(architecture === 'residual' && { residual: { norm: 'rms', expansion: 2 } }),
    },
    rate: RATE,
    seed,
  });
}

/** @returns every network, in the order of the table */
function networks(): Network[] {
  const architectures = values.architectures.split(',') as Network['architecture'][];
  return (Object.keys(TASKS) as TaskName[]).flatMap((task) =>
    architectures.flatMap((architecture) =>
      STRATEGY_NAMES.flatMap((strategy) =>
        formats(strategy).map((format) => ({
          task,
          architecture,
          strategy,
          ...format,
        })),
      ),
    ),
  );
}

function runsOf(network: Network): Run[] {
  const entries = Object.entries(network);
  return results.filter((run) => entries.every(([key, value]) => run[key as keyof Run] === value));
}

function report(): void {
  console.log(
    '| task | network | products | ghosts | loss, mean | least to most | change, mean | least to most | seeds |',
  );
  console.log('|---|---|---|---|---|---|---|---|---|');
  for (const network of networks()) {
    const { task, architecture, strategy, compute, ghosts } = network;
    const runs = runsOf(network);
    if (runs.length === 0) continue;
    const plain = ghosts === null ? null : ('float32' as const);
    const base = runsOf({ ...network, compute: 'float32', ghosts: plain });
    const changes = runs.flatMap(({ seed, loss }) => {
      const same = base.find((run) => run.seed === seed);
      return same === undefined ? [] : [loss / same.loss - 1];
    });
    const losses = runs.map(({ loss }) => loss);
    const mean = (of: readonly number[]) => of.reduce((sum, one) => sum + one, 0) / of.length;
    const percent = (share: number) =>
      `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(2)}%`;
    const isBase = compute === 'float32' && ghosts === plain;
    const cells = [
      task,
      architecture === 'plain' ? strategy : `${strategy}, residual`,
      compute,
      ghosts ?? '–',
      mean(losses).toPrecision(4),
      `${Math.min(...losses).toPrecision(4)} to ${Math.max(...losses).toPrecision(4)}`,
      ...(isBase || changes.length === 0
        ? ['', '']
        : [
            percent(mean(changes)),
            `${percent(Math.min(...changes))} to ${percent(Math.max(...changes))}`,
          ]),
      String(losses.length),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

async function main(): Promise<void> {
  for (let seed = 0; seed < Number(values.seeds); seed++) {
    for (const network of networks()) {
      if (runsOf(network).some((run) => run.seed === seed)) continue;
      const run = { ...network, seed, loss: await trained({ ...network, seed }) };
      results.push(run);
      writeFileSync(file, `[\n${results.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`);
      console.error(JSON.stringify(run));
    }
  }
}

if (values.help) console.log(HELP);
else {
  if (!values.table) await main();
  report();
}
