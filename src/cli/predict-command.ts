import type { Launcher } from '../communicators/launcher.js';
import type { PredictFileOptions } from '../app/infer/predict.js';
import { defineCommand } from './command.js';
import { createRankConsole, warningsTo } from './console.js';
import { energyText } from './energy-text.js';
import { EXIT } from './failure.js';
import { formatDuration, formatPercent, formatSi, plural } from '../base/format.js';
import { PREDICTION_KINDS } from '../serving/prediction-kinds.js';
import { SETTINGS } from '../settings/keys.js';
import {
  BIND_FLAG,
  CHECKPOINT_FLAG,
  COMPUTE_FLAG,
  GHOSTS_FLAG,
  JSON_FLAG,
  flagLike,
} from './flags.js';
import { formatPairs } from './table.js';

/** How often a terminal hears of progress. */
const LIVE_MS = 200;

export const command = defineCommand({
  operands: [{ name: 'model', about: 'run folder, checkpoint or model folder', count: 'one' }],
  flags: {
    data: flagLike(SETTINGS.data, { about: 'rows to answer', initial: null, required: true }),
    out: {
      kind: 'text',
      placeholder: 'file',
      about: 'file to write the answers to; its ending is the format',
      initial: null,
      required: true,
    },
    checkpoint: CHECKPOINT_FLAG,
    what: {
      kind: 'choice',
      choices: PREDICTION_KINDS,
      placeholder: 'kind',
      about: 'what to write for each row; the outputs of a classifier are logits',
      initial: null,
      nullable: true,
      fallback: 'answers for a table, else outputs',
    },
    ranks: flagLike(SETTINGS.ranks, {
      about: 'worker threads; they divide the blocks',
      fallback: 'as trained',
    }),
    engine: flagLike(SETTINGS.engine, {}),
    compute: COMPUTE_FLAG,
    bind: BIND_FLAG,
    batch: flagLike(SETTINGS.batch, { about: 'rows at a time', initial: 256 }),
    ghostsAtServing: GHOSTS_FLAG,
    meter: flagLike(SETTINGS.meter, {}),
    machine: flagLike(SETTINGS.machine, {}),
    json: JSON_FLAG,
  },
  style: 'plain',
  help: (phantom) => ({
    notes: `
Rows are those of a table (CSV, JSON, Parquet, a query), an NPY or a safetensors file (tensor x). For a
model of a table columns go by their names, in any order. The file of answers has a row for each, in
the format of its ending, and appears when it is complete.`,
    examples: [
      `${phantom} predict runs/first --data rows.csv --out answers.csv`,
      `${phantom} predict runs/first --data x.npy --out labels.parquet --what labels`,
      `${phantom} predict runs/nested --data rows.csv --out answers.csv --ghosts-at-serving 4`,
      `mpirun -n 4 ${phantom} predict runs/first --data rows.jsonl --out answers.safetensors`,
    ],
  }),
  run({ operands: [model = ''], flags, launcher }) {
    const { json, ghostsAtServing: ghosts, ...given } = flags;
    return run({ model, ghosts, ...given }, launcher, json);
  },
});

async function run(
  options: PredictFileOptions,
  launcher: Launcher | null,
  json: boolean,
): Promise<number> {
  const { predict } = await import('../app/infer/predict.js');
  const console = createRankConsole(launcher);
  const began = performance.now();
  let shownMs = 0;
  const onProgress = (rows: number) => {
    const now = performance.now();
    if (!console.watched || now - shownMs < LIVE_MS) return;
    shownMs = now;
    const rate = formatSi((1000 * rows) / (now - began));
    console.live(`${plural(rows, 'row')}, ${rate} samples/s`);
  };
  const onWarning = warningsTo(console);
  const report = await predict({ ...options, onProgress, onWarning }, launcher);
  console.live('');
  if (json) {
    console.out(JSON.stringify({ type: 'prediction', ...report }));
    return EXIT.fine;
  }
  const { rows, elapsedS, computeS, exposedS } = report;
  const { sourceText } = await import('../models/model-source.js');
  const waits = report.ranks > 1 && computeS > 0;
  const waiting = waits ? `, waiting ${formatPercent(exposedS / computeS, 0)}` : '';
  const pairs: [string, string][] = [
    ['model', sourceText({ ...report, weights: report.model })],
    ['answers', `${report.out}: ${plural(rows, 'row')} of ${report.outputs}`],
    ...((options.ghosts ?? null) === null
      ? []
      : [['ghosts', `the first ${report.ghosts} of each block`] as [string, string]]),
    ['engine', `${report.engine}, ${plural(report.ranks, 'rank')}`],
    ['time', `${formatDuration(elapsedS)}, ${formatSi(report.samplesPerS)} samples/s`],
    ['compute', formatDuration(computeS) + waiting],
  ];
  const { energyPerSampleJ, obtained } = report;
  const energy =
    energyPerSampleJ === null
      ? 'not measured'
      : `${energyText(energyPerSampleJ, obtained)} per sample`;
  pairs.push(['energy', energy]);
  for (const line of formatPairs(pairs, { width: console.width })) console.out(line);
  return EXIT.fine;
}
