// One network with nested ghosts against one trained for each number: see README.md in this folder.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os, { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { evaluate, type GhostsPoint } from '#src/app/evaluate/evaluate-run.js';
import { train } from '#src/app/train/train.js';
import { chartFile } from '#src/report/chart-file.js';
import type { XyFigure } from '#src/report/figure.js';
import type { TrainingSettings } from '#src/settings/settings.js';

const HELP = `node build/experiments/nested-ghosts/run.js [--out experiments/nested-ghosts]
  [--ghosts 1,2,4,8,16,32,64] [--seeds 0,1] [--epochs 6] [--rate 1e-3] [--ranks 2]

Trains 1 + 1 + n networks a seed: nested, the same micro-batches with all ghosts, and each number.`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    out: { type: 'string', default: 'experiments/nested-ghosts' },
    ghosts: { type: 'string', default: '1,2,4,8,16,32,64' },
    seeds: { type: 'string', default: '0,1' },
    epochs: { type: 'string', default: '6' },
    rate: { type: 'string', default: '1e-3' },
    ranks: { type: 'string', default: '2' },
  },
});

/** One network, evaluated with some numbers of ghosts. */
interface Trained {
  readonly network: 'nested' | 'first ghosts of an ordinary network' | 'trained with K′';
  readonly seed: number;
  readonly points: readonly GhostsPoint[];
}

const ghosts = values.ghosts.split(',').map(Number);
const largest = Math.max(...ghosts);

async function trained(
  network: Trained['network'],
  settings: Partial<TrainingSettings>,
  sweepGhosts: readonly number[],
  seed: number,
): Promise<Trained> {
  const folder = mkdtempSync(path.join(tmpdir(), 'nested-ghosts-'));
  const out = path.join(folder, 'run');
  const common: Partial<TrainingSettings> = {
    data: 'fashion-10k',
    width: 256,
    depth: 3,
    blocks: 4,
    batch: 128,
    // The same micro-batches for all: what differs is how many ghosts each uses.
    accumulate: 4,
    epochs: Number(values.epochs),
    lr: Number(values.rate),
    schedule: 'cosine',
    ranks: Number(values.ranks),
    validateEvery: 1_000_000,
  };
  await train({ ...common, ...settings, seed, out });
  const request = { model: out, data: null, engine: 'auto', ranks: null, batch: null } as const;
  const report = await evaluate({ ...request, checkpoint: null, sweepGhosts });
  rmSync(folder, { recursive: true });
  const points = report.sweep ?? [];
  for (const { ghosts: count, loss, accuracy } of points) {
    console.log(`${network}, seed ${seed}: K′ ${count}, loss ${loss.toFixed(4)}, ${accuracy}`);
  }
  return { network, seed, points };
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
}

/** By number of ghosts, over the seeds. */
function curve(all: readonly Trained[], network: Trained['network']) {
  const points = all.filter((one) => one.network === network).flatMap((one) => one.points);
  return ghosts.map((count) => {
    const here = points.filter((point) => point.ghosts === count);
    const losses = here.map(({ loss }) => loss);
    return {
      x: count,
      y: mean(losses),
      low: Math.min(...losses),
      high: Math.max(...losses),
      accuracy: mean(here.map(({ accuracy }) => accuracy ?? Number.NaN)),
      flops: here[0]?.flopsPerSample ?? Number.NaN,
      bytes: here[0]?.receivedBytesPerSample ?? Number.NaN,
    };
  });
}

async function main(): Promise<void> {
  const began = performance.now();
  const all: Trained[] = [];
  for (const seed of values.seeds.split(',').map(Number)) {
    all.push(
      await trained('nested', { ghosts: largest, nestedGhosts: true }, ghosts, seed),
      await trained('first ghosts of an ordinary network', { ghosts: largest }, ghosts, seed),
    );
    for (const count of ghosts) {
      all.push(await trained('trained with K′', { ghosts: count }, [count], seed));
    }
  }
  const networks = ['nested', 'trained with K′', 'first ghosts of an ordinary network'] as const;
  const curves = networks.map((network) => ({ label: network, points: curve(all, network) }));
  const elapsedS = (performance.now() - began) / 1000;
  const machine = {
    cpu: os.cpus()[0]?.model,
    cores: os.availableParallelism(),
    node: process.version,
  };
  const results = { settings: values, machine, elapsedS, networks: all };
  writeFileSync(path.join(values.out, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  const chart: XyFigure = {
    kind: 'lines',
    title: 'Validation loss by the ghosts in use',
    description:
      'One network with nested ghosts, a network trained for each number of ghosts, and the first ' +
      'ghosts of a network trained with all of them; means and ranges over the seeds.',
    x: { label: 'ghosts in use, K′', scale: 'log2' },
    y: { label: 'validation loss', scale: 'log' },
    series: curves,
  };
  writeFileSync(path.join(values.out, 'loss.svg'), chartFile(chart));
  console.log(`\n| K′ | FLOPs per sample | bytes per sample | ${networks.join(' | ')} |`);
  console.log('|---|---|---|---|---|---|');
  for (const [i, count] of ghosts.entries()) {
    const cells = curves.map(({ points }) => {
      const point = points[i];
      return `${point?.y.toFixed(4)}, ${(100 * (point?.accuracy ?? 0)).toFixed(1)}%`;
    });
    const { flops, bytes } = curves[0]?.points[i] ?? {};
    console.log(`| ${count} | ${flops} | ${bytes} | ${cells.join(' | ')} |`);
  }
  console.log(`\n${elapsedS.toFixed(0)} s`);
}

if (values.help) console.log(HELP);
else await main();
