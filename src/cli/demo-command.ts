import path from 'node:path';
import { plural } from '../base/format.js';
import type { GivenSettings } from '../settings/given.js';
import type { TrainingSettings } from '../settings/settings.js';
import type { EndEvent, StartEvent } from '../training/events.js';
import { commandLine } from '../base/invocation.js';
import { SETTINGS } from '../settings/keys.js';
import { defineCommand } from './command.js';
import { type Console, createConsole } from './console.js';
import { comparisonRows, type ComparedRun } from './compared-runs.js';
import { EXIT, UsageError } from './failure.js';
import { createProgress } from './progress.js';
import { flagLike, givenSettings, JSON_FLAG, settingsIn } from './flags.js';
import { type Stop, stopOnSignals } from './stop.js';
import { formatPairs, formatTable, wrapText } from './table.js';
import { headerLines } from './train-command.js';

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
 * rate would favor one of them.
 */
const CONTESTANTS: readonly GivenSettings[] = [
  { strategy: 'tensor', lr: 3e-4 },
  { strategy: 'phantom', ghosts: 32, lr: 3e-4 },
];

export const command = defineCommand({
  operands: [],
  flags: {
    engine: flagLike(SETTINGS.engine, {}),
    ranks: flagLike(SETTINGS.ranks, { about: 'worker threads: 1, 2 or 4', initial: 4 }),
    epochs: flagLike(SETTINGS.epochs, { about: 'passes over the data', initial: 8 }),
    json: { ...JSON_FLAG, about: 'print the events of the runs as JSON, one per line' },
  },
  style: 'plain',
  help: (phantom) => ({
    notes: `
Trains both networks at width 1024 on fashion-10k, which is part of this package, each with the
learning rate that is best for it, and prints loss, FLOPs, bytes, time and energy of the two.`,
    examples: [`${phantom} demo`, `${phantom} demo --epochs 2 --ranks 2`],
  }),
  async run({ flags, typed, launcher }) {
    if (launcher !== null) {
      throw new UsageError('demo', `runs on worker threads; start it without ${launcher.command}`);
    }
    return demo(givenSettings(settingsIn(typed)).settings, flags.json);
  },
});

async function demo(flags: GivenSettings, json: boolean): Promise<number> {
  const { resolveSettings } = await import('../settings/resolve.js');
  const console = createConsole();
  const stop = stopOnSignals((line) => console.err(line));
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+Z/g, '');
  const contestants: ComparedRun[] = [];
  try {
    for (const own of CONTESTANTS) {
      const settings = resolveSettings([
        { where: 'demo', settings: { ...SHARED, ...own } },
        { where: 'flags', settings: { ...flags, out: `runs/demo-${time}/${own.strategy}` } },
      ]);
      const contestant = await compete(console, settings, stop, json);
      if (contestant.end.reason === 'interrupted') {
        if (!json) console.out(`Interrupted; go on with: ${contestant.end.resumeCommand}`);
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
): Promise<ComparedRun> {
  const { trainOnRanks } = await import('../app/train/train-on-ranks.js');
  let start: StartEvent | null = null;
  const progress = createProgress(console, {
    label: settings.strategy.padEnd('phantom'.length),
    header: (event) => [
      '',
      console.style('bold', `Training with ${settings.strategy} parallelism`),
      ...headerLines(console, settings, event, false),
    ],
  });
  let end: EndEvent;
  try {
    end = await trainOnRanks(
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

function report(console: Console, tensor: ComparedRun, phantom: ComparedRun): string[] {
  const { settings, start, end } = phantom;
  const title =
    `Tensor and phantom parallelism on ${settings.data}: width ${settings.width}, ` +
    `${plural(settings.blocks, 'block')} on ${plural(start.ranks, 'rank')}, ` +
    plural(end.step, 'step');
  const rows = comparisonRows(tensor, phantom);
  const commands: [string, string[]][] = [
    ['both runs on a page', ['report', path.dirname(end.runFolder)]],
    ['fewer ghosts', ['train', '--ghosts', '8', '--lr', '3e-4', '--schedule', 'cosine']],
    [
      'the stronger baseline',
      ['train', '--strategy', 'tensor-paired', '--lr', '3e-4', '--schedule', 'cosine'],
    ],
    ['what this machine lacks', ['doctor']],
  ];
  return [
    '',
    ...wrapText(title, console.width).map((line) => console.style('bold', line)),
    '',
    ...formatTable(['', 'tensor', 'phantom', 'phantom / tensor'], rows, console.width),
    '',
    ...wrapText(REMARK, Math.min(console.width, 100)),
    '',
    ...formatPairs(
      commands.map(([name, words]) => [name, commandLine(...words)]),
      { indent: '  ' },
    ),
  ];
}

const REMARK =
  'Each network has the best of seven learning rates for it. A tensor-parallel network can ' +
  'express every phantom network of its width, so equal steps compare how fast the two learn. ' +
  'Step times are those of this machine; where there are more ranks than cores, they share them.';
