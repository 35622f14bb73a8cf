import type { Launcher } from '../communicators/launcher.js';
import type { Command } from 'commander';
import type { GhostsPoint } from '../app/evaluate/evaluate-run.js';
import type { Obtained } from '../energy/meter.js';
import { ConfigError } from '../base/errors.js';
import { createRankConsole } from './console.js';
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
import { valueOption } from './setting-flags.js';
import { formatPairs, formatTable } from './table.js';

const EXAMPLES = `
Without --data the run's own validation part is taken.

Examples:
  $ phantom eval runs/seed-7 --data fashion-10k
  $ phantom eval runs/seed-7 --data test.csv --checkpoint step-00000100 --json
  $ phantom eval models/small --data fashion-10k
  $ phantom eval runs/nested --sweep-ghosts
  $ phantom eval runs/nested --sweep-ghosts 2,8,32`;

/** Flags that are settings of training too, with the same rules. */
const SHARED = ['data', 'ranks', 'engine', 'batch'] as const;

export function define(
  command: Command,
  done: (exitCode: number) => void,
  launcher: Launcher | null,
): void {
  command
    .argument('<model>', 'a run folder, a checkpoint in one, or a model folder')
    .addOption(
      valueOption(
        '--data <name|path>',
        'known name, file or folder; its validation part, or all of it',
      ),
    )
    .addOption(
      valueOption('--checkpoint <name|path>', 'a checkpoint of the run (default: the newest)'),
    )
    .addOption(
      valueOption('--ranks <R>', 'worker threads; divides the blocks (default: as trained)'),
    )
    .addOption(valueOption('--engine <name>', 'auto, blas, wasm: what computes (default: auto)'))
    .addOption(valueOption('--batch <B>', 'rows at a time (default: as trained)'))
    .option(
      "--sweep-ghosts [K',…]",
      'once for each number of ghosts, of a network trained with --nested-ghosts (default: 1, 2, ' +
        '4, … all)',
    )
    .option('--json', 'one object on stdout, and nothing else')
    .addHelpText('after', EXAMPLES)
    .action(async (model: string) => {
      const options = command.opts<
        Record<string, string> & { json?: true; sweepGhosts?: string | true }
      >();
      const typed = Object.fromEntries(
        SHARED.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])),
      );
      const { readFlags } = await import('../settings/load.js');
      const { beforeRanks } = await import('../app/ranks/ranks.js');
      const { settings } = await beforeRanks(launcher, () => readFlags(typed));
      const { data, ranks, engine, batch } = settings;
      const request = {
        model,
        data: data ?? null,
        engine: engine ?? 'auto',
        ranks: ranks ?? null,
        batch: batch ?? null,
        checkpoint: options['checkpoint'] ?? null,
        sweepGhosts: ghostsOf(options.sweepGhosts),
      } as const;
      done(await run(request, launcher, options.json === true));
    });
}

/** `--sweep-ghosts 2,8` → [2, 8]. @throws ConfigError for what is no count */
function ghostsOf(given: string | true | undefined): readonly number[] | 'all' | null {
  if (given === undefined) return null;
  if (given === true) return 'all';
  return given.split(',').map((text) => {
    if (/^[1-9]\d*$/.test(text)) return Number(text);
    throw new ConfigError('eval', `ghosts ${text}; needs integers of at least 1, as in 2,8,32`);
  });
}

interface Request {
  readonly model: string;
  readonly data: string | null;
  readonly engine: 'auto' | 'blas' | 'wasm';
  readonly ranks: number | null;
  readonly batch: number | null;
  readonly checkpoint: string | null;
  readonly sweepGhosts: readonly number[] | 'all' | null;
}

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

async function run(request: Request, launcher: Launcher | null, json: boolean): Promise<number> {
  const { evaluate } = await import('../app/evaluate/evaluate-run.js');
  const console = createRankConsole(launcher);
  // No handlers for signals: nothing has to be saved, they may end the process at once.
  const result = await evaluate(request, launcher);
  if (json) {
    console.out(JSON.stringify({ type: 'evaluation', ...result }));
    return EXIT.fine;
  }
  const { accuracy } = result;
  const pairs: [string, string][] = [
    result.step === null
      ? ['model', result.checkpoint]
      : ['checkpoint', `${result.checkpoint} (step ${result.step})`],
    ['rows', formatCount(result.rows)],
    ['loss', formatLoss(result.loss)],
    ...(accuracy === null ? [] : [['accuracy', formatPercent(accuracy)] as [string, string]]),
    ['engine', `${result.engine}, ${plural(result.ranks, 'rank')}`],
    energyPair(result.energy, ['sample']),
    ['time', `${formatDuration(result.elapsedS)}, ${formatSi(result.samplesPerS)} samples/s`],
  ];
  for (const line of formatPairs(pairs, { width: console.width })) console.out(line);
  if (result.sweep) {
    const table = sweepTable(result.sweep, result.energy.obtained, console.width);
    for (const line of ['', ...table]) console.out(line);
  }
  return EXIT.fine;
}
