import { type Command, Option } from 'commander';
import type { Resume } from '../app/train/resume.js';
import type { SettingsSource } from '../settings/resolve.js';
import type { TrainingSettings } from '../settings/settings.js';
import type { EndEvent } from '../training/events.js';
import { findLauncher } from '../communicators/mpi/launcher.js';
import { commandLine } from '../base/invocation.js';
import { createRankConsole, type Console } from './console.js';
import { EXIT, UsageError } from './failure.js';
import { headerPairs } from './header.js';
import { createProgress, endPairs } from './progress.js';
import { addSettingFlags, givenFlags, valueOption } from './setting-flags.js';
import { stopOnSignals } from './stop.js';
import { formatPairs } from './table.js';

const EXAMPLES = `
A config file has the same keys in camelCase (weightDecay for --weight-decay); flags win over it.
For completion in editors, put the schema that "phantom schema" prints into its first line:
  # yaml-language-server: $schema=training.schema.json

Examples:
  $ phantom train --width 2048 --ghosts 32 --epochs 10 --lr 3e-3
  $ phantom train --strategy tensor --width 1024 --steps 500 --engine wasm
  $ phantom train examples/fashion-phantom.yaml --seed 7 --out runs/seed-7
  $ phantom train --data table.csv --validation 0.1 --loss mse --target-loss 0.05
  $ phantom train --resume runs/seed-7 --epochs 20
  $ phantom train --from models/small --steps 60 --lr 3e-4
  $ phantom train examples/fashion-phantom.yaml --out runs/a --resume auto
  $ phantom train --steps 100 --json | grep '"type":"step"'`;

/** What the training command takes on its command line, besides settings. */
export interface TrainFlags {
  readonly resume?: string;
  readonly json?: boolean;
  readonly watchStdin?: boolean;
  readonly tensorboard?: boolean;
}

/** Gives a command the arguments and flags of training. */
export function addTrainFlags(command: Command): Command {
  command.argument('[config]', 'YAML or JSON file of settings');
  addSettingFlags(command);
  const resume = valueOption(
    '--resume <folder|auto>',
    "go on with a run from its newest checkpoint; flags replace the run's settings; auto: with " +
      'the run in --out, from its newest checkpoint that is whole, or start it where it has none',
  );
  const about = 'stop with a checkpoint when stdin ends';
  return command
    .addOption(resume.helpGroup('Output:'))
    .addOption(new Option('--watch-stdin', about).hideHelp())
    .optionsGroup('Output:')
    .option('--json', 'one object per line on stdout, and nothing else')
    .option('--tensorboard', 'write event files for TensorBoard too, into the run folder')
    .optionsGroup('Options:');
}

export function define(command: Command, done: (exitCode: number) => void): void {
  addTrainFlags(command)
    .addHelpText('after', EXAMPLES)
    .action(async (config: string | undefined) => {
      const flags = command.opts<TrainFlags>();
      const { beforeRanks } = await import('../app/ranks/ranks.js');
      const { settings, resume } = await beforeRanks(async () => {
        const { settingsFor } = await import('../app/train/resume.js');
        const given = await readGiven(config, givenFlags(command), flags.resume);
        return settingsFor(given, flags.resume);
      });
      done(await train(settings, resume, flags));
    });
}

/** What a command line says of the settings. @throws ConfigError, UsageError */
export async function readGiven(
  config: string | undefined,
  typed: Record<string, string | boolean>,
  resume: string | undefined,
): Promise<SettingsSource[]> {
  const { loadConfigFile, readFlags } = await import('../settings/load.js');
  const flags = readFlags(typed);
  if (resume === undefined || resume === 'auto') {
    return [...(config === undefined ? [] : [loadConfigFile(config)]), flags];
  }
  if (config !== undefined) {
    throw new UsageError(
      'flags',
      `config file ${config} with --resume; a resumed run has its own settings, change them by flags`,
    );
  }
  if (flags.settings.out !== undefined) {
    throw new UsageError('flags', '--out with --resume; a resumed run goes on in its own folder');
  }
  return [flags];
}

async function train(
  settings: TrainingSettings,
  resume: Resume | null,
  { json = false, watchStdin = false, tensorboard = false }: TrainFlags,
): Promise<number> {
  const { trainRun } = await import('../app/train/run.js');
  const console = createRankConsole();
  const progress = createProgress(console, {
    logEvery: settings.logEvery,
    header: (start) => [...formatPairs(headerPairs(settings, start)), ''],
  });
  // Who watches through stdin tells what happens.
  const stop = stopOnSignals((line) => (watchStdin ? undefined : console.err(line)));
  // A launcher gives the others none.
  if (watchStdin && (findLauncher()?.rank ?? 0) === 0) stop.whenEnds(process.stdin);
  const eventFile = tensorboard
    ? (await import('../report/tensorboard/event-file.js')).createEventFile()
    : null;
  try {
    const end = await trainRun(
      settings,
      {
        onEvent(event) {
          eventFile?.onEvent(event);
          if (json) console.out(JSON.stringify(event));
          else progress.onEvent(event);
        },
        stop: stop.signal,
      },
      resume,
    );
    progress.close();
    if (!json) for (const line of summary(console, end)) console.out(line);
    // Rank 0's code is the job's: another's could end the job before rank 0 has told its end.
    if ((findLauncher()?.rank ?? 0) > 0) return EXIT.fine;
    return end.reason === 'interrupted' ? (stop.exitCode() ?? EXIT.fine) : EXIT.fine;
  } finally {
    eventFile?.close();
    progress.close();
    stop.dispose();
  }
}

export function summary(console: Console, end: EndEvent): string[] {
  const title = {
    finished: console.style('green', `finished after ${end.step} steps`),
    'target-loss': console.style('green', `target loss reached after ${end.step} steps`),
    interrupted: console.style('yellow', `interrupted after ${end.step} steps`),
  }[end.reason];
  const next: [string, string] =
    end.resumeCommand === null
      ? ['evaluate', commandLine('eval', end.runFolder)]
      : ['resume', end.resumeCommand];
  return ['', title, ...formatPairs([...endPairs(end), next])];
}
