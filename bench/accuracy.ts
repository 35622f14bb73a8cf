// How good networks of each strategy get on fashion-10k, and how that depends on the ghosts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parameterCount } from '#src/analysis/network-cost.js';
import { train } from '#src/app/train/train.js';
import { readRunConfig } from '#src/checkpoints/run-folder.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import type { GhostPrecision } from '#src/tensor/precision.js';

const HELP = `npm run bench -- accuracy [--json] [--width 1024] [--depth 2] [--blocks 4] [--ranks 2]
  [--ghosts 1,4,16,64,256] [--precisions float32] [--rates 3e-4,1e-3] [--seeds 0,1] [--epochs 8] [--engine auto]

Every network is trained with every learning rate and seed; a row shows the rate with the lowest
mean validation loss. "linear" is the tensor network without activations: a linear classifier.`;

interface Row {
  readonly name: string;
  readonly rate: number;
  readonly parameters: number;
  /** Means over the seeds, at the end of training. */
  readonly loss: number;
  readonly accuracy: number;
  readonly accuracies: readonly number[];
  readonly receivedBytes: number;
  readonly flops: number;
}

type Contestant = readonly [name: string, settings: Partial<TrainingSettings>];

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

async function trial(
  [name, contestant]: Contestant,
  settings: Partial<TrainingSettings>,
  rate: number,
  seeds: readonly number[],
): Promise<Row> {
  const folder = mkdtempSync(path.join(tmpdir(), 'phantom-bench-'));
  const counts = { flops: 0, receivedBytes: 0, parameters: 0 };
  const losses: number[] = [];
  const accuracies: number[] = [];
  for (const seed of seeds) {
    const out = path.join(folder, `${seed}`);
    const end = await train(
      { ...settings, ...contestant, lr: rate, seed, out },
      {
        onEvent(event) {
          if (event.type !== 'start') return;
          counts.flops = event.flopsPerStep;
          counts.receivedBytes = event.receivedBytesPerStep;
        },
      },
    );
    counts.parameters = parameterCount(readRunConfig(out).specification);
    losses.push(end.validationLoss ?? Number.NaN);
    accuracies.push(end.validationAccuracy ?? Number.NaN);
  }
  rmSync(folder, { recursive: true });
  return { name, rate, ...counts, loss: mean(losses), accuracy: mean(accuracies), accuracies };
}

export async function accuracyBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      width: { type: 'string', default: '1024' },
      depth: { type: 'string', default: '2' },
      blocks: { type: 'string', default: '4' },
      ranks: { type: 'string', default: '2' },
      ghosts: { type: 'string', default: '1,4,16,64,256' },
      precisions: { type: 'string', default: 'float32' },
      rates: { type: 'string', default: '3e-4,1e-3' },
      seeds: { type: 'string', default: '0,1' },
      epochs: { type: 'string', default: '8' },
      engine: { type: 'string', default: 'auto' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const numbers = (list: string) => list.split(',').map(Number);
  const settings: Partial<TrainingSettings> = {
    width: Number(values.width),
    depth: Number(values.depth),
    blocks: Number(values.blocks),
    ranks: Number(values.ranks),
    epochs: Number(values.epochs),
    engine: values.engine as TrainingSettings['engine'],
    data: 'fashion-10k',
    schedule: 'cosine',
    validateEvery: 1_000_000,
  };
  const contestants: Contestant[] = [
    ['linear', { strategy: 'tensor', activation: 'identity' }],
    ['tensor', { strategy: 'tensor' }],
    ...numbers(values.ghosts).flatMap((ghosts) =>
      values.precisions
        .split(',')
        .map((precision): Contestant => [
          `phantom K=${ghosts}${precision === 'float32' ? '' : ` ${precision}`}`,
          { strategy: 'phantom', ghosts, ghostPrecision: precision as GhostPrecision },
        ]),
    ),
  ];
  if (!values.json) {
    console.log(
      'network                 rate   accuracy  (seeds)        loss    parameters  FLOP/step  bytes',
    );
  }
  for (const contestant of contestants) {
    const rows: Row[] = [];
    for (const rate of numbers(values.rates)) {
      rows.push(await trial(contestant, settings, rate, numbers(values.seeds)));
    }
    const best = rows.toSorted((a, b) => a.loss - b.loss)[0];
    if (best === undefined) continue;
    if (values.json) {
      console.log(JSON.stringify({ ...best, tried: rows }));
      continue;
    }
    const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
    console.log(
      [
        best.name.padEnd(22),
        String(best.rate).padEnd(7),
        percent(best.accuracy).padEnd(8),
        `(${best.accuracies.map(percent).join(' ')})`,
        best.loss.toFixed(4),
        String(best.parameters).padStart(11),
        best.flops.toExponential(2),
        best.receivedBytes,
      ].join('  '),
    );
  }
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await accuracyBench(process.argv.slice(2));
}
