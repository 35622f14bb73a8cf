// Trains a dense network, compresses it to several K and trains it on for a tenth of the steps.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compress } from '#src/app/convert/compress-model.js';
import { train } from '#src/app/train/train.js';
import { MINIMIZED, type Minimized } from '#src/compression/choices.js';
import type { CompressionReport } from '#src/compression/compress.js';
import { chartFile } from '#src/report/chart-file.js';
import type { XyFigure } from '#src/report/figure.js';
import type { TrainingSettings } from '#src/settings/settings.js';

const HERE = fileURLToPath(new URL('../../../experiments/compress/', import.meta.url));
const NETWORK = { width: 1024, depth: 2, blocks: 4, ranks: 2, batch: 128 } as const;
const DENSE = { ...NETWORK, strategy: 'tensor', steps: 500, lr: 3e-4 } as const;
const HEAL_STEPS = 50;

interface Judged {
  readonly loss: number;
  readonly accuracy: number;
}

interface Row {
  readonly seed: number;
  /** What the decomposition kept nearest. */
  readonly minimize: Minimized;
  readonly ghosts: number;
  /** Of the hidden layers' outputs, on the training images. */
  readonly layerErrors: readonly number[];
  readonly relativeErrors: readonly number[];
  readonly outputError: number;
  readonly before: Judged;
  readonly compressed: Judged;
  /** By learning rate. */
  readonly healed: Readonly<Record<string, Judged>>;
  /** As many steps from random weights, by learning rate; null: in the row of the weights. */
  readonly random: Readonly<Record<string, Judged>> | null;
  readonly sizes: Pick<CompressionReport, 'before' | 'after'>;
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '0' },
    ghosts: { type: 'string', default: '1,4,16,64,256' },
    rates: { type: 'string', default: '3e-4,1e-3' },
  },
});
const numbers = (text: string) => text.split(',').map(Number);
const folder = mkdtempSync(path.join(tmpdir(), 'phantom-compress-'));
let runs = 0;

async function trained(settings: Partial<TrainingSettings>): Promise<Judged & { out: string }> {
  const out = path.join(folder, `run-${runs++}`);
  const shared = { data: 'fashion-10k', schedule: 'cosine', validateEvery: 1e6 } as const;
  const end = await train({ ...shared, ...settings, out });
  return { out, loss: end.validationLoss ?? NaN, accuracy: end.validationAccuracy ?? NaN };
}

/** Every rate's result. */
async function atRates(settings: Partial<TrainingSettings>): Promise<Record<string, Judged>> {
  const results: Record<string, Judged> = {};
  for (const lr of numbers(values.rates)) {
    const { out, loss, accuracy } = await trained({ ...settings, steps: HEAL_STEPS, lr });
    rmSync(out, { recursive: true });
    results[lr] = { loss, accuracy };
  }
  return results;
}

async function rowsOf(seed: number): Promise<Row[]> {
  const dense = await trained({ ...DENSE, seed });
  console.error(`seed ${seed}: dense ${JSON.stringify(dense)}`);
  const training = { batch: NETWORK.batch, ranks: NETWORK.ranks, seed: seed + 1000 };
  const rows: Row[] = [];
  for (const ghosts of numbers(values.ghosts)) {
    for (const minimize of MINIMIZED) {
      const out = path.join(folder, `model-${seed}-${ghosts}-${minimize}`);
      const { layers, probe, before, after } = await compress({
        ...({ model: dense.out, blocks: NETWORK.blocks, out, data: 'fashion-10k' } as const),
        minimize,
        choice: { by: 'ghosts', ghosts },
      });
      if (!probe) throw new TypeError('no probe');
      const random = { ...NETWORK, ...training, strategy: 'phantom', ghosts } as const;
      const row: Row = {
        seed,
        minimize,
        ghosts,
        relativeErrors: layers.map(({ relativeError }) => relativeError),
        layerErrors: layers.map(({ outputError }) => outputError ?? NaN),
        outputError: probe.outputError,
        before: { loss: probe.before.loss, accuracy: probe.before.accuracy ?? NaN },
        compressed: { loss: probe.after.loss, accuracy: probe.after.accuracy ?? NaN },
        healed: await atRates({ ...training, from: out }),
        random: minimize === 'weights' ? await atRates(random) : null,
        sizes: { before, after },
      };
      rows.push(row);
      console.error(JSON.stringify(row));
    }
  }
  return rows;
}

/** The rate with the least mean loss over the seeds, and its means. */
function best(results: readonly Readonly<Record<string, Judged>>[]): Judged & { rate: string } {
  const mean = (rate: string, what: keyof Judged) =>
    results.reduce((sum, result) => sum + (result[rate]?.[what] ?? NaN), 0) / results.length;
  const rates = Object.keys(results[0] ?? {}).toSorted((a, b) => mean(a, 'loss') - mean(b, 'loss'));
  const rate = rates[0] ?? '';
  return { rate, loss: mean(rate, 'loss'), accuracy: mean(rate, 'accuracy') };
}

const rows: Row[] = [];
for (const seed of numbers(values.seeds)) rows.push(...(await rowsOf(seed)));
rmSync(folder, { recursive: true });

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
const plain = (accuracy: number, loss: number) => `${percent(accuracy)}, ${loss.toFixed(3)}`;
const judged = ({ accuracy, loss }: Judged) => plain(accuracy, loss);
const half = (ghosts: number, minimize: Minimized) => {
  const of = rows.filter((row) => row.ghosts === ghosts && row.minimize === minimize);
  const average = (read: (row: Row) => number) =>
    of.reduce((sum, row) => sum + read(row), 0) / of.length;
  const mean = (each: readonly number[]) => each.reduce((a, b) => a + b, 0) / each.length;
  return {
    relativeError: average((row) => mean(row.relativeErrors)),
    layerError: average((row) => mean(row.layerErrors)),
    outputError: average((row) => row.outputError),
    compressed: {
      loss: average((row) => row.compressed.loss),
      accuracy: average((row) => row.compressed.accuracy),
    },
    healed: best(of.map((row) => row.healed)),
  };
};
const table = numbers(values.ghosts).map((ghosts) => {
  const of = rows.filter((row) => row.ghosts === ghosts);
  return {
    ghosts,
    weights: half(ghosts, 'weights'),
    outputs: half(ghosts, 'outputs'),
    random: best(of.flatMap(({ random }) => (random === null ? [] : [random]))),
    size: of[0]?.sizes.after,
  };
});
const first = rows.filter((row) => row.ghosts === table[0]?.ghosts);
const dense = best(first.map(({ before }) => ({ '': before })));
const size = rows[0]?.sizes.before;
const config = { DENSE, HEAL_STEPS, ...values };
const results = { config, dense, size, table, rows };
writeFileSync(path.join(HERE, 'results.json'), `${JSON.stringify(results, null, 1)}\n`);
const mega = (value = NaN) => (value / 1e6).toFixed(2);
console.log('| K | least | weights | layers | outputs | compressed | healed (rate) |');
console.log('|---|---|---|---|---|---|---|');
for (const { ghosts, ...row } of table) {
  for (const minimize of MINIMIZED) {
    const { relativeError, layerError, outputError, compressed, healed } = row[minimize];
    console.log(
      `| ${ghosts} | ${minimize} | ${percent(relativeError)} | ${percent(layerError)} | ` +
        `${percent(outputError)} | ${judged(compressed)} | ${judged(healed)} (${healed.rate}) |`,
    );
  }
}
console.log('\n| K | random start (rate) | parameters | FLOPs | bytes |');
console.log('|---|---|---|---|---|');
for (const { ghosts, random, size: after } of table) {
  console.log(
    `| ${ghosts} | ${judged(random)} (${random.rate}) | ${mega(after?.parameters)} M | ` +
      `${mega(after?.flopsPerSample)} M | ${after?.receivedBytesPerSample} |`,
  );
}
console.log(
  `| dense | ${judged(dense)} | ${mega(size?.parameters)} M | ` +
    `${mega(size?.flopsPerSample)} M | ${size?.receivedBytesPerSample} |`,
);
const points = (read: (row: (typeof table)[number]) => number) =>
  table.map((row) => ({ x: row.ghosts, y: 100 * read(row) }));
const chart: XyFigure = {
  kind: 'lines',
  title: 'Accuracy of a compressed network, before and after 50 steps of training',
  x: { label: 'ghosts per block, K', scale: 'log2' },
  y: { label: 'validation accuracy, %' },
  series: [
    { label: 'dense', points: points(() => dense.accuracy) },
    { label: 'outputs nearest, healed', points: points((row) => row.outputs.healed.accuracy) },
    { label: 'outputs nearest', points: points((row) => row.outputs.compressed.accuracy) },
    { label: 'weights nearest, healed', points: points((row) => row.weights.healed.accuracy) },
    { label: 'weights nearest', points: points((row) => row.weights.compressed.accuracy) },
    { label: 'random start', points: points((row) => row.random.accuracy) },
  ],
};
writeFileSync(path.join(HERE, 'accuracy.svg'), chartFile(chart));
