import type { Launcher } from '../communicators/launcher.js';
import type { Command } from 'commander';
import type { PredictionKind, PredictFileOptions } from '../app/infer/predict.js';
import type { EngineChoice } from '../engines/engine-list.js';
import { type MeterChoice, METERS } from '../energy/meter.js';
import { createRankConsole } from './console.js';
import { energyText } from './energy-text.js';
import { EXIT, UsageError } from './failure.js';
import { formatDuration, formatPercent, formatSi, plural } from '../base/format.js';
import { ghostsOption } from './option-values.js';
import { numberOption, valueOption } from './setting-flags.js';
import { formatPairs } from './table.js';

const EXAMPLES = `
A model is a run folder (its newest checkpoint), a checkpoint or a model folder. Rows are those of
a CSV, NPY, Parquet, safetensors (tensor x) or JSON-lines file, as the training data had them; columns
named y, y0, …, label or target are passed over. The answers file has a row for each, in the format of
its ending, and appears when it is complete.

Examples:
  $ phantom predict runs/first --data rows.csv --out answers.csv
  $ phantom predict runs/first --data x.npy --out labels.parquet --what labels
  $ phantom predict runs/nested --data rows.csv --out answers.csv --ghosts-at-serving 4
  $ mpirun -n 4 phantom predict runs/first --data rows.jsonl --out answers.safetensors`;

/** How often a terminal hears of progress. */
const LIVE_MS = 200;

export function define(
  command: Command,
  done: (exitCode: number) => void,
  launcher: Launcher | null,
): void {
  command
    .argument('<model>', 'run folder, checkpoint or model folder')
    .addOption(valueOption('--data <path|name>', 'rows to answer').makeOptionMandatory())
    .addOption(valueOption('--out <path>', 'file to write the answers to').makeOptionMandatory())
    .addOption(
      valueOption('--what <kind>', 'outputs, probabilities, labels (default: outputs; logits are)'),
    )
    .addOption(
      numberOption('--ranks <R>', 'worker threads; divides the blocks (default: as trained)', {
        least: 1,
        most: 256,
      }),
    )
    .addOption(valueOption('--engine <name>', 'auto, blas, wasm: what computes (default: auto)'))
    .addOption(
      numberOption('--batch <B>', 'rows at a time (default: 256)', { least: 1, most: 1 << 20 }),
    )
    .addOption(
      ghostsOption(
        "answer with the first K' ghosts of each block, as trained with --nested-ghosts (default: all)",
      ),
    )
    .addOption(valueOption('--meter <name>', 'what measures energy, as for train (default: auto)'))
    .addOption(valueOption('--machine <name|path>', 'machine file for modelled energy'))
    .option('--json', 'one object on stdout, and nothing else')
    .addHelpText('after', EXAMPLES)
    .action(async (model: string) => {
      const options = command.opts<Record<string, string & number> & { json?: true }>();
      const request: PredictFileOptions = {
        model,
        data: options['data'] ?? '',
        out: options['out'] ?? '',
        what: oneOf('--what', options['what'] ?? 'outputs', WHAT) as PredictionKind,
        engine: oneOf('--engine', options['engine'] ?? 'auto', ENGINES) as EngineChoice,
        ranks: options['ranks'] ?? null,
        batch: options['batch'] ?? 256,
        ghosts: options['ghostsAtServing'] ?? null,
        meter: oneOf('--meter', options['meter'] ?? 'auto', METERS) as MeterChoice,
        machine: options['machine'] ?? 'default',
      };
      done(await run(request, launcher, options.json === true));
    });
}

const WHAT = ['outputs', 'probabilities', 'labels'];
const ENGINES = ['auto', 'blas', 'wasm'];

function oneOf(flag: string, value: string, known: readonly string[]): string {
  if (known.includes(value)) return value;
  throw new UsageError('flags', `${flag} is ${value}; needs one of ${known.join(', ')}`);
}

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
  const onWarning = (message: string) =>
    console.err(console.style('yellow', `warning: ${message}`));
  const report = await predict({ ...options, onProgress, onWarning }, launcher);
  console.live('');
  if (json) {
    console.out(JSON.stringify({ type: 'prediction', ...report }));
    return EXIT.fine;
  }
  const { step, rows, elapsedS, computeS, exposedS } = report;
  const waits = report.ranks > 1 && computeS > 0;
  const waiting = waits ? `, waiting ${formatPercent(exposedS / computeS, 0)}` : '';
  const pairs: [string, string][] = [
    ['model', report.model + (step === null ? '' : ` (step ${step})`)],
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
