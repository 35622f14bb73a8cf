import { type Command, Option } from 'commander';
import { findLauncher } from '../communicators/mpi/launcher.js';
import type { GivenSettings } from '../settings/given.js';
import type { TrainingSettings } from '../settings/settings.js';
import type { EndEvent, StartEvent } from '../training/events.js';
import { commandLine, invocation } from '../base/invocation.js';
import { type Console, createConsole } from './console.js';
import { comparisonRows, type Contestant } from './comparison.js';
import { EXIT, UsageError } from './failure.js';
import { headerPairs } from './header.js';
import { createProgress } from './progress.js';
import { valueOption } from './setting-flags.js';
import { type Stop, stopOnSignals } from './stop.js';
import { formatPairs, formatTable } from './table.js';

/** What both networks share. */
const SHARED: GivenSettings = {
  width: 1024,
  depth: 2,
  blocks: 4,
  activation: 'relu',
  data: 'fashion-10k',
  batch: 128,
  epochs: 8,
  optimizer: 'adam',
  schedule: 'cosine',
  seed: 0,
  ranks: 4,
};

/**
 * Each contestant with the best of seven learning rates (1e-4, 2e-4, 3e-4, 6e-4, 1e-3, 2e-3,
 * 4e-3) by the mean validation loss of seeds 0 and 1, everything else as in SHARED; one shared
 * rate would favour one of them.
 */
const CONTESTANTS: readonly GivenSettings[] = [
  { strategy: 'tensor', lr: 3e-4 },
  { strategy: 'phantom', ghosts: 32, lr: 3e-4 },
];

const SHARED_FLAGS = ['engine', 'ranks', 'epochs'] as const;

export function define(command: Command, done: (exitCode: number) => void): void {
  command
    .addOption(valueOption('--engine <name>', 'auto, blas, wasm: what computes (default: auto)'))
    .addOption(valueOption('--ranks <R>', `worker threads, 1, 2 or 4 (default: ${SHARED.ranks})`))
    .addOption(valueOption('--epochs <E>', `passes over the data (default: ${SHARED.epochs})`))
    .addOption(new Option('--json', "the runs' events, one object per line, and nothing else"))
    .action(async () => {
      const options = command.opts<Record<string, string> & { json?: true }>();
      const typed = Object.fromEntries(
        SHARED_FLAGS.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])),
      );
      const { readFlags } = await import('../settings/load.js');
      done(await demo(readFlags(typed).settings, options.json === true));
    });
}

async function demo(flags: GivenSettings, json: boolean): Promise<number> {
  const { resolveSettings } = await import('../settings/resolve.js');
  const console = createConsole();
  const launcher = findLauncher();
  if (launcher !== null) {
    throw new UsageError('demo', `runs on worker threads; start it without ${launcher.command}`);
  }
  const stop = stopOnSignals((line) => console.err(line));
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+Z/g, '');
  const contestants: Contestant[] = [];
  try {
    for (const own of CONTESTANTS) {
      const settings = resolveSettings([
        { where: 'demo', settings: { ...SHARED, ...own } },
        { where: 'flags', settings: { ...flags, out: `runs/demo-${time}/${own.strategy}` } },
      ]);
      const contestant = await compete(console, settings, stop, json);
      if (contestant.end.reason === 'interrupted') {
        if (!json) console.out(`resume this half with: ${contestant.end.resumeCommand}`);
        return stop.exitCode() ?? EXIT.fine;
      }
      contestants.push(contestant);
    }
  } finally {
    stop.dispose();
  }
  const [tensor, phantom] = contestants;
  if (!json && tensor && phantom)
    for (const line of report(console, tensor, phantom)) console.out(line);
  return EXIT.fine;
}

async function compete(
  console: Console,
  settings: TrainingSettings,
  stop: Stop,
  json: boolean,
): Promise<Contestant> {
  const { trainRun } = await import('../app/train/run.js');
  let start: StartEvent | null = null;
  const progress = createProgress(console, {
    logEvery: settings.logEvery,
    label: settings.strategy.padEnd('phantom'.length),
    header: (event) => [
      '',
      console.style('bold', `Training with ${settings.strategy} parallelism`),
      ...formatPairs(headerPairs(settings, event)),
      '',
    ],
  });
  let end: EndEvent;
  try {
    end = await trainRun(
      settings,
      {
        onEvent(event) {
          if (event.type === 'start') start = event;
          if (json) console.out(JSON.stringify(event));
          else progress.onEvent(event);
        },
        stop: stop.signal,
      },
      null,
    );
  } finally {
    progress.close();
  }
  if (start === null) throw new TypeError('a run ended that had not started');
  return { settings, start, end };
}

function report(console: Console, tensor: Contestant, phantom: Contestant): string[] {
  const { settings, start, end } = phantom;
  const title =
    `Tensor and phantom parallelism, width ${settings.width}, depth ${settings.depth}, ` +
    `${settings.blocks} blocks on ${start.ranks} ranks, ${settings.data}, ${end.step} steps`;
  return [
    '',
    console.style('bold', title),
    '',
    ...formatTable(['', 'tensor', 'phantom', 'phantom / tensor'], comparisonRows(tensor, phantom)),
    '',
    ...formatPairs(
      [
        ['tensor run', tensor.end.runFolder],
        ['phantom run', phantom.end.runFolder],
      ],
      '',
    ),
    '',
    'Each network has the best of seven learning rates for it. A tensor-parallel network can express',
    'every phantom network of its width, so equal steps compare how fast the two learn. Step times',
    'are of this machine; ranks beyond its cores share them.',
    '',
    'What to try next:',
    ...formatPairs([
      ['evaluate again', commandLine('eval', end.runFolder)],
      ['fewer ghosts', `${invocation()} train --ghosts 8 --lr 3e-4 --schedule cosine`],
      [
        'the stronger baseline',
        `${invocation()} train --strategy tensor-paired --lr 3e-4 --schedule cosine`,
      ],
      ['a faster machine', commandLine('doctor')],
    ]),
  ];
}
