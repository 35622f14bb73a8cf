import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import type { Launcher } from '../communicators/launcher.js';
import type { TrainingSettings } from '../settings/settings.js';
import type { Placement } from '../launch/command.js';
import type { RestartEvent } from '../launch/supervise.js';
import type { EndEvent, TrainingEvent } from '../training/events.js';
import { commandLine } from '../base/invocation.js';
import { createConsole } from './console.js';
import { EXIT, UsageError, usageError } from './failure.js';
import { createProgress } from './progress.js';
import { flagArguments, givenFlags, valueOption } from './setting-flags.js';
import { stopOnSignals } from './stop.js';
import { addTrainFlags, headerLines, readGiven, summary, type TrainFlags } from './train.js';

const DEFAULT_RESTARTS = 3;

const EXAMPLES = `
Runs under mpirun (Open MPI or MPICH) where that is there, else on worker threads. When a rank dies,
hangs beyond --timeout or loses its machine, the job is started again from the newest checkpoint
that is whole; so let it write some (--checkpoint-every). Wrong settings or data, a loss that is not
finite and a full disk end it at once: they would again. Ctrl-C ends it with a checkpoint.

Examples:
  $ phantom launch --ranks 8 -- train config.yaml --checkpoint-every 100
  $ phantom launch --hosts a:4,b:4 --max-restarts 10 -- train config.yaml --out runs/long
  $ phantom launch --transport threads --ranks 2 -- train --width 512 --checkpoint-every 50
  $ phantom launch --ranks 4 -- train --resume runs/long --epochs 20`;

interface LaunchFlags {
  readonly ranks?: string;
  readonly hosts?: string;
  readonly maxRestarts?: string;
  readonly transport?: string;
  readonly mpirun?: string;
  readonly json?: true;
}

export function define(
  command: Command,
  done: (exitCode: number) => void,
  launcher: Launcher | null,
): void {
  command
    .argument('<train…>', 'after --: the training command and its flags')
    .usage('[options] -- train [config] [settings]')
    .addOption(
      valueOption(
        '--ranks <n>',
        'ranks of all replicas: MPI processes or worker threads (default: as hosts or settings say)',
      ),
    )
    .addOption(valueOption('--hosts <list>', 'machines and their processes, as in a:4,b:4'))
    .addOption(
      valueOption(
        '--max-restarts <n>',
        `how often the job is started again in all (default: ${DEFAULT_RESTARTS})`,
      ),
    )
    .addOption(
      valueOption('--transport <name>', 'auto, mpi, threads: what ranks run on (default: auto)'),
    )
    .addOption(
      valueOption('--mpirun <program>', 'the MPI launcher (default: the first on the PATH)'),
    )
    .option('--json', 'one object per line on stdout, and nothing else')
    .addHelpText('after', EXAMPLES)
    .allowExcessArguments()
    .action(async () => {
      if (launcher !== null) {
        throw new UsageError('launch', `starts mpirun itself; start it without ${launcher.name}`);
      }
      done(await launch(command.opts<LaunchFlags>(), command.args));
    });
}

/** What is to run, resolved. */
interface Plan {
  readonly settings: TrainingSettings;
  readonly placement: Placement;
  readonly processes: number;
  readonly runFolder: string;
  readonly maxRestarts: number;
  /** Settings on the command line of every start. */
  readonly training: readonly string[];
}

async function launch(flags: LaunchFlags, args: readonly string[]): Promise<number> {
  const { typed, config, train } = parseTraining(args);
  const json = flags.json === true || train.json === true;
  const plan = await planLaunch(flags, typed, config, train.resume);
  const { describePlacement, jobCommand } = await import('../launch/command.js');
  const { supervise } = await import('../launch/supervise.js');
  const { listCheckpoints } = await import('../checkpoints/checkpoint-folder.js');
  const { settings, placement, processes, runFolder, maxRestarts } = plan;
  const main = fileURLToPath(new URL('main.js', import.meta.url));
  const tensorboard = train.tensorboard === true ? ['--tensorboard'] : [];
  const always = ['--out', runFolder, '--resume', 'auto', '--json', '--watch-stdin'];
  const training = [
    ...process.execArgv,
    main,
    'train',
    ...plan.training,
    ...tensorboard,
    ...always,
  ];
  const command = jobCommand(placement, processes, [process.execPath, ...training]);

  const console = createConsole();
  let starts = 0;
  const verbose = train.verbose === true;
  const progress = createProgress(console, {
    verbose,
    header: (start) => (starts++ === 0 ? headerLines(console, settings, start, verbose) : []),
  });
  const again = againCommand(flags, runFolder);
  const onEvent = (event: TrainingEvent | RestartEvent): void => {
    const told = event.type === 'end' ? withCommand(event, again) : event;
    if (json) console.out(JSON.stringify(told));
    else if (told.type === 'restart') {
      console.live('');
      console.err(console.style('yellow', restartLine(told)));
    } else progress.onEvent(told);
  };
  const where = describePlacement(placement, processes);
  if (json) console.out(JSON.stringify({ type: 'launch', runFolder, processes, where }));
  else console.out(`launch: ${where}, run folder ${runFolder}`);
  if (settings.checkpointEvery === null && maxRestarts > 0) {
    const message = 'no --checkpoint-every: a restart begins with the first step again';
    onEvent({ type: 'warning', message });
  }

  const kill = new AbortController();
  const stop = stopOnSignals(
    (line) => console.err(line),
    () => kill.abort(),
  );
  try {
    const newestStep = () => listCheckpoints(path.join(runFolder, 'checkpoints')).at(-1) ?? null;
    const end = await supervise({
      command,
      maxRestarts,
      onEvent,
      onWords: (lines) => lines.forEach((line) => console.err(line)),
      newestStep,
      stop: stop.signal,
      kill: kill.signal,
    });
    progress.close();
    if (end === null) {
      const step = newestStep();
      const from = step === null ? 'there is no checkpoint' : `from step ${step}: ${again}`;
      console.err(`phantom: stopped before a checkpoint was written; ${from}`);
      return stop.exitCode() ?? EXIT.internal;
    }
    if (!json) {
      for (const line of summary(console, settings, withCommand(end, again), verbose)) {
        console.out(line);
      }
    }
    return end.reason === 'interrupted' ? (stop.exitCode() ?? 143) : EXIT.fine;
  } finally {
    progress.close();
    stop.dispose();
  }
}

/** Reads what stands after `--`. @throws UsageError when it is no training command */
function parseTraining(args: readonly string[]) {
  const [name, ...others] = args;
  if (name !== 'train') {
    throw new UsageError('launch', `${name} after --; launch starts train, as in -- train a.yaml`);
  }
  const command = addTrainFlags(new Command('train')).exitOverride().helpOption(false);
  command.configureOutput({ outputError: () => {} });
  try {
    command.parse(others, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const names = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? '');
    throw usageError(error, names);
  }
  const [config] = command.args;
  return { typed: givenFlags(command), config, train: command.opts<TrainFlags>() };
}

async function planLaunch(
  flags: LaunchFlags,
  typed: Record<string, string | boolean>,
  config: string | undefined,
  resume: string | undefined,
): Promise<Plan> {
  const { choosePlacement } = await import('../launch/command.js');
  const { settingsFor } = await import('../app/train/resume.js');
  const { newRunFolder } = await import('../app/train/train-on-ranks.js');
  const { refuseRun } = await import('../checkpoints/run-folder.js');
  const placement = choosePlacement({
    transport: transportOf(flags.transport ?? 'auto'),
    ranks: flags.ranks === undefined ? null : countOf('--ranks', flags.ranks, 1),
    hosts: flags.hosts ?? null,
    mpirun: flags.mpirun ?? null,
  });
  const given = await readGiven(config, typed, resume);
  const { ranks } = placement;
  const launched = ranks === null ? null : { name: 'launch', size: ranks };
  const { settings } = settingsFor(given, resume, launched);
  const isFolder = resume !== undefined && resume !== 'auto';
  const runFolder = isFolder ? resume : (settings.out ?? newRunFolder(settings));
  if (resume === undefined && existsSync(runFolder)) refuseRun(runFolder);
  const { out: _out, ranks: _ranks, ...others } = typed;
  return {
    settings,
    placement,
    processes: settings.ranks * settings.replicas,
    runFolder,
    maxRestarts: countOf('--max-restarts', flags.maxRestarts ?? String(DEFAULT_RESTARTS), 0),
    training: [
      ...(config === undefined ? [] : [config]),
      ...flagArguments({ ...others, ranks: String(settings.ranks) }),
    ],
  };
}

function countOf(flag: string, text: string, least: number): number {
  const count = /^\d{1,7}$/.test(text) ? Number(text) : -1;
  if (count >= least) return count;
  throw new UsageError('flags', `${flag} is "${text}"; needs an integer of at least ${least}`);
}

function transportOf(text: string): 'auto' | 'mpi' | 'threads' {
  if (text === 'auto' || text === 'mpi' || text === 'threads') return text;
  throw new UsageError('flags', `--transport is "${text}"; needs one of auto, mpi, threads`);
}

/** The command that goes on with a run. */
function againCommand({ ranks, hosts, maxRestarts, transport, mpirun }: LaunchFlags, run: string) {
  const flags = Object.entries({ ranks, hosts, 'max-restarts': maxRestarts, transport, mpirun });
  const own = flags.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  return commandLine('launch', ...own, '--', 'train', '--resume', run);
}

function withCommand(end: EndEvent, command: string): EndEvent {
  return end.resumeCommand === null ? end : { ...end, resumeCommand: command };
}

function restartLine({ restart, maxRestarts, cause, step }: RestartEvent): string {
  const from = step === null ? 'anew' : `from step ${step}`;
  return `launch: ${cause}; starting again ${from} (restart ${restart} of ${maxRestarts})`;
}
