import type { ResolvedRun } from '../app/train/resume.js';
import type { Watch } from '../app/watch/watch-server.js';
import type { SettingsSource } from '../settings/resolve.js';
import type { TrainingSettings } from '../settings/settings.js';
import type { EndEvent, StartEvent } from '../training/events.js';
import type { Launcher } from '../communicators/launcher.js';
import { commandLine } from '../base/invocation.js';
import { defineCommand } from './command.js';
import { createRankConsole, type Console } from './console.js';
import { EXIT, UsageError } from './failure.js';
import { headerPairs, verbosePairs } from './header.js';
import { createProgress, endPairs } from './progress.js';
import {
  CONFIG_OPERAND,
  type FlagTable,
  type FlagValues,
  givenSettings,
  JSON_FLAG,
  settingFlags,
  type TypedFlags,
} from './flags.js';
import { stopOnSignals } from './stop.js';
import { formatPairs } from './table.js';
import { METRICS } from '../metrics/metric-names.js';
import { formatDuration, plural } from '../base/format.js';
import { readConfigArgument } from './config-argument.js';

const GROUP = { group: 'Output' } as const;

/** What the training command takes on its command line. */
export const TRAIN_FLAGS = {
  ...settingFlags(),
  resume: {
    kind: 'text',
    placeholder: 'folder|auto',
    about:
      "continue a run from its newest checkpoint; flags replace the run's settings; auto: " +
      'continue the run in --out from its newest intact checkpoint, or start it where it has none',
    initial: null,
    ...GROUP,
  },
  json: { ...JSON_FLAG, about: 'print events as JSON, one per line, and nothing else', ...GROUP },
  verbose: {
    kind: 'switch',
    about: 'print all readings: sizes, meter, communication, energy by phase',
    initial: false,
    ...GROUP,
  },
  tensorboard: {
    kind: 'switch',
    about: 'also write event files for TensorBoard into the run folder',
    initial: false,
    ...GROUP,
  },
  watch: {
    kind: 'switch',
    about: 'serve a live page of the run while it goes, to this machine alone',
    initial: false,
    ...GROUP,
  },
  watchStdin: {
    kind: 'switch',
    about: 'stop with a checkpoint when stdin ends',
    initial: false,
    hidden: true,
    ...GROUP,
  },
} as const satisfies FlagTable;

type TrainFlags = Pick<
  FlagValues<typeof TRAIN_FLAGS>,
  'json' | 'tensorboard' | 'verbose' | 'watch' | 'watchStdin'
>;

export const command = defineCommand({
  operands: [CONFIG_OPERAND],
  flags: TRAIN_FLAGS,
  style: 'plain',
  help: (phantom) => ({
    notes: `
The exit code is 0, 2 for an error of the user, 3 for training that diverged, and 128 + its number
after a signal.

A config file has the same keys in camelCase (weightDecay for --weight-decay); flags override it.
For completion in editors, name the schema that "schema" prints in its first line:
  # yaml-language-server: $schema=training.schema.json`,
    examples: [
      `${phantom} train --width 2048 --ghosts 32 --epochs 10 --lr 3e-3`,
      `${phantom} train --strategy tensor --width 1024 --steps 500 --engine wasm`,
      `${phantom} train examples/fashion-phantom.yaml --seed 7 --out runs/seed-7`,
      `${phantom} train --data table.csv --validation 0.1 --loss mse --target-loss 0.05`,
      `${phantom} train --resume runs/seed-7 --epochs 20`,
      `${phantom} train --from models/small --steps 60 --lr 3e-4`,
      `${phantom} train examples/fashion-phantom.yaml --out runs/a --resume auto`,
      `${phantom} train --steps 100 --json | grep '"type":"step"'`,
    ],
  }),
  async run({ operands: [config], flags, typed, launcher }) {
    const resumed = flags.resume ?? undefined;
    const { beforeRanks } = await import('../app/ranks/ranks.js');
    const run = await beforeRanks(launcher, async () => {
      const { settingsFor } = await import('../app/train/resume.js');
      return settingsFor(await readGiven(config, typed, resumed), resumed, launcher);
    });
    return train(run, launcher, flags);
  },
});

/** What a command line says of the settings. @throws ConfigError, UsageError */
export async function readGiven(
  config: string | undefined,
  typed: TypedFlags,
  resume: string | undefined,
): Promise<SettingsSource[]> {
  const flags = givenSettings(typed);
  if (resume === undefined || resume === 'auto') {
    return [...(await readConfigArgument(config)), flags];
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
  { settings, resume, given }: ResolvedRun,
  launcher: Launcher | null,
  { json, watch, watchStdin, tensorboard, verbose }: TrainFlags,
): Promise<number> {
  const { trainOnRanks } = await import('../app/train/train-on-ranks.js');
  const console = createRankConsole(launcher);
  const progress = createProgress(console, {
    verbose,
    header: (start) => headerLines(console, settings, start, verbose),
  });
  // Who watches through stdin tells what happens.
  const stop = stopOnSignals((line) => (watchStdin ? undefined : console.err(line)));
  // A launcher gives the others none.
  if (watchStdin && (launcher?.rank ?? 0) === 0) stop.whenEnds(process.stdin);
  const eventFile = tensorboard
    ? (await import('../runs/tensorboard/event-file.js')).createEventFile()
    : null;
  const pages: Promise<Watch | null>[] = [];
  try {
    const end = await trainOnRanks(
      settings,
      {
        onEvent(event) {
          eventFile?.onEvent(event);
          if (event.type === 'start' && watch) pages.push(openPage(console, event.runFolder));
          if (json) console.out(JSON.stringify(event));
          else progress.onEvent(event);
        },
        stop: stop.signal,
      },
      resume,
      { launcher, given },
    );
    progress.close();
    if (!json) for (const line of summary(console, settings, end, verbose)) console.out(line);
    // Rank 0's code is the job's: another's could end the job before rank 0 has reported its end.
    if ((launcher?.rank ?? 0) > 0) return EXIT.fine;
    return exitCode(end, stop.exitCode() ?? EXIT.fine);
  } finally {
    eventFile?.close();
    for (const page of pages) await (await page)?.close();
    progress.close();
    stop.dispose();
  }
}

/** @param interrupted the code of a run that a signal ended */
export function exitCode({ reason }: Pick<EndEvent, 'reason'>, interrupted: number): number {
  if (reason === 'diverged') return EXIT.diverged;
  return reason === 'interrupted' ? interrupted : EXIT.fine;
}

/** The live page of one run. It is no reason to end it: what goes wrong is said. */
async function openPage(console: Console, folder: string): Promise<Watch | null> {
  try {
    const { startWatch } = await import('../app/watch/watch-server.js');
    const here = { host: '127.0.0.1', port: 0, token: null, hosts: [] };
    const watch = await startWatch({ folders: [folder], ...here });
    console.err(`live page: ${watch.url}`);
    return watch;
  } catch (error) {
    console.err(console.style('yellow', `warning: no live page: ${(error as Error).message}`));
    return null;
  }
}

/** What stands above a run. */
export function headerLines(
  console: Console,
  settings: TrainingSettings,
  start: StartEvent,
  verbose: boolean,
): string[] {
  const pairs = verbose ? verbosePairs(settings, start) : headerPairs(settings, start);
  return [...formatPairs(dimNames(console, pairs), { width: console.width }), ''];
}

/** What a run came to, and the commands that go on from there. */
export function summary(
  console: Console,
  settings: TrainingSettings,
  end: EndEvent,
  verbose: boolean,
): string[] {
  const after = `after ${plural(end.step, 'step')} in ${formatDuration(end.elapsedS)}`;
  const title = {
    finished: console.style('green', `Finished ${after}`),
    'target-loss': console.style('green', `Reached the target loss ${after}`),
    'early-stopping': console.style(
      'green',
      `Stopped early ${after}${stoppedBecause(settings, end)}`,
    ),
    interrupted: console.style('yellow', `Interrupted ${after}`),
    diverged: console.style('red', `Diverged ${after}`),
  }[end.reason];
  const pairs = dimNames(console, endPairs(end, verbose, console.launcher));
  return [
    title,
    ...formatPairs(pairs, { indent: '  ', width: console.width }),
    '',
    end.resumeCommand === null ? 'Next:' : 'To go on:',
    ...nextCommands(settings, end).map((line) => `  ${line}`),
  ];
}

/** `: no better validation loss in 5 validations since step 80` */
function stoppedBecause({ earlyStopping }: TrainingSettings, { best }: EndEvent): string {
  if (best === null || earlyStopping === null) return '';
  const measure = best.by === 'loss' ? 'validation loss' : METRICS[best.by].text;
  return `: no better ${measure} in ${plural(earlyStopping, 'validation')} since step ${best.step}`;
}

function nextCommands({ data, lr }: TrainingSettings, end: EndEvent): string[] {
  const { runFolder, resumeCommand } = end;
  if (resumeCommand !== null) {
    return [end.reason === 'diverged' ? `${resumeCommand} --lr ${lr / 10}` : resumeCommand];
  }
  // Generated data is no file that could be answered.
  const answer = data.startsWith('synthetic:')
    ? ['eval', runFolder]
    : ['predict', runFolder, '--data', data, '--out', 'answers.csv'];
  const commands = [['report', runFolder], answer, ['serve', runFolder]];
  return commands.map((words) => commandLine(...words));
}

function dimNames(console: Console, pairs: readonly [string, string][]): [string, string][] {
  return pairs.map(([name, value]) => [console.style('dim', name), value]);
}
