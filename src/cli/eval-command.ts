import type { Launcher } from '../communicators/launcher.js';
import type { EvaluateOptions, GhostsPoint } from '../app/evaluate/evaluate-run.js';
import type { Obtained } from '../energy/meter.js';
import { defineCommand } from './command.js';
import { createRankConsole, warningsTo } from './console.js';
import { energyPair } from './energy-text.js';
import { EXIT } from './failure.js';
import {
  formatCount,
  formatDuration,
  formatLoss,
  formatPercent,
  formatSi,
  plural,
} from '../base/format.js';
import { SETTINGS } from '../settings/keys.js';
import { BIND_FLAG, CHECKPOINT_FLAG, COMPUTE_FLAG, JSON_FLAG, flagLike } from './flags.js';
import { metricPairs, metricTables } from './metrics-text.js';
import { formatPairs, formatTable } from './table.js';

export const command = defineCommand({
  operands: [{ name: 'model', about: 'run folder, checkpoint or model folder', count: 'one' }],
  flags: {
    data: flagLike(SETTINGS.data, {
      about: 'data by name, file or folder: its validation part, or all of it',
      initial: null,
      fallback: "the run's own validation part",
    }),
    checkpoint: CHECKPOINT_FLAG,
    ranks: flagLike(SETTINGS.ranks, {
      about: 'worker threads; they divide the blocks',
      fallback: 'as trained',
    }),
    engine: flagLike(SETTINGS.engine, {}),
    compute: COMPUTE_FLAG,
    bind: BIND_FLAG,
    batch: flagLike(SETTINGS.batch, {
      about: 'rows at a time',
      initial: null,
      fallback: 'as trained',
    }),
    sweepGhosts: {
      kind: 'integers',
      least: 1,
      most: 1 << 20,
      placeholder: "K',…",
      bare: true,
      about: 'evaluate with each of these numbers of ghosts; without a list with 1, 2, 4, … all',
      initial: null,
    },
    json: JSON_FLAG,
  },
  style: 'plain',
  help: (phantom) => ({
    notes: '',
    examples: [
      `${phantom} eval runs/seed-7 --data fashion-10k`,
      `${phantom} eval runs/seed-7 --data test.csv --checkpoint step-100 --json`,
      `${phantom} eval models/small --data fashion-10k`,
      `${phantom} eval runs/nested --sweep-ghosts`,
      `${phantom} eval runs/nested --sweep-ghosts 2,8,32`,
    ],
  }),
  run({ operands: [model = ''], flags: { json, sweepGhosts, ...given }, launcher }) {
    const swept = sweepGhosts === true ? 'all' : sweepGhosts;
    return run({ model, ...given, sweepGhosts: swept }, launcher, json);
  },
});

function sweepTable(sweep: readonly GhostsPoint[], obtained: Obtained, width: number): string[] {
  const energy = `energy per sample${obtained === 'counter' ? '' : `, ${obtained}`}`;
  return formatTable(
    ['ghosts', 'loss', 'accuracy', 'FLOPs per sample', 'bytes per sample', energy, 'samples/s'],
    sweep.map((point) => [
      String(point.ghosts),
      formatLoss(point.loss),
      point.accuracy === null ? '–' : formatPercent(point.accuracy),
      formatSi(point.flopsPerSample),
      formatSi(point.receivedBytesPerSample),
      point.energyJ === null ? '–' : formatSi(point.energyJ, 'J'),
      formatSi(point.samplesPerS),
    ]),
    width,
  );
}

async function run(
  request: EvaluateOptions,
  launcher: Launcher | null,
  json: boolean,
): Promise<number> {
  const { evaluate } = await import('../app/evaluate/evaluate-run.js');
  const console = createRankConsole(launcher);
  // No handlers for signals: nothing has to be saved, they may end the process at once.
  const result = await evaluate({ ...request, onWarning: warningsTo(console) }, launcher);
  if (json) {
    console.out(JSON.stringify({ type: 'evaluation', ...result }));
    return EXIT.fine;
  }
  const { accuracy } = result;
  const { sourceText } = await import('../models/model-source.js');
  const opened = sourceText({ ...result, weights: result.checkpoint });
  const pairs: [string, string][] = [
    [result.step === null ? 'model' : 'checkpoint', opened],
    ['rows', formatCount(result.rows)],
    ['loss', formatLoss(result.loss)],
    ...(accuracy === null ? [] : [['accuracy', formatPercent(accuracy)] as [string, string]]),
    ...metricPairs(result.metrics),
    ['engine', `${result.engine}, ${plural(result.ranks, 'rank')}`],
    energyPair(result.energy, ['sample']),
    ['time', `${formatDuration(result.elapsedS)}, ${formatSi(result.samplesPerS)} samples/s`],
  ];
  for (const line of formatPairs(pairs, { width: console.width })) console.out(line);
  for (const line of metricTables(result.metrics, console.width)) console.out(line);
  if (result.sweep) {
    const table = sweepTable(result.sweep, result.energy.obtained, console.width);
    for (const line of ['', ...table]) console.out(line);
  }
  return EXIT.fine;
}
