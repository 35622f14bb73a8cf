import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TrainingSettings } from '../settings/settings.js';
import type { Placement } from '../launch/training-command.js';
import type { RestartEvent } from '../launch/supervise.js';
import type { EndEvent, TrainingEvent } from '../training/events.js';
import { commandLine } from '../base/invocation.js';
import { flagOf, SETTINGS } from '../settings/keys.js';
import { type Call, defineCommand, parseCommandLine } from './command.js';
import { createConsole } from './console.js';
import { EXIT, UsageError } from './failure.js';
import { createProgress } from './progress.js';
import {
  flagArguments,
  flagLike,
  type FlagTable,
  type FlagValues,
  JSON_FLAG,
  readFlags,
  settingsIn,
  type TypedFlags,
} from './flags.js';
import { stopOnSignals } from './stop.js';
import { exitCode, headerLines, readGiven, summary, TRAIN_FLAGS } from './train-command.js';

const FLAGS = {
  ranks: flagLike(SETTINGS.ranks, {
    about: 'ranks of all replicas together: MPI processes or worker threads',
    most: 9_999_999,
    fallback: 'as hosts or settings say',
  }),
  hosts: {
    kind: 'text',
    placeholder: 'list',
    about: 'machines and their numbers of processes, as in a:4,b:4',
    initial: null,
  },
  maxRestarts: {
    kind: 'integer',
    placeholder: 'n',
    least: 0,
    most: 9_999_999,
    about: 'most restarts of the job',
    initial: 3,
  },
  transport: {
    kind: 'choice',
    choices: ['auto', 'mpi', 'threads'],
    about: 'what ranks run on',
    initial: 'auto',
  },
  mpirun: {
    kind: 'text',
    placeholder: 'program',
    about: 'the MPI launcher',
    initial: null,
    fallback: 'the first on the PATH',
  },
  json: { ...JSON_FLAG, about: 'print events as JSON, one per line, and nothing else' },
} as const satisfies FlagTable;

type LaunchFlags = FlagValues<typeof FLAGS>;

export const command = defineCommand({
  operands: [{ name: 'train', about: 'after --: train and its flags', count: 'one or more' }],
  flags: FLAGS,
  style: 'after --',
  help: (phantom) => ({
    notes: `
Runs under mpirun (Open MPI or MPICH) where it is installed, else on worker threads. When a rank
dies, hangs longer than --timeout or loses its machine, the job restarts from the newest intact
checkpoint: set --checkpoint-every. Errors that would repeat end the job at once: wrong settings or
data, a loss that is not finite, a full disk. Ctrl-C ends it with a checkpoint.`,
    examples: [
      `${phantom} launch --ranks 8 -- train config.yaml --checkpoint-every 100`,
      `${phantom} launch --hosts a:4,b:4 --max-restarts 10 -- train config.yaml --out runs/long`,
      `${phantom} launch --transport threads --ranks 2 -- train --width 512 --checkpoint-every 50`,
      `${phantom} launch --ranks 4 -- train --resume runs/long --epochs 20`,
    ],
  }),
  async run(call) {
    const { launcher } = call;
    if (launcher !== null) {
      throw new UsageError('launch', `starts mpirun itself; start it without ${launcher.name}`);
    }
    return launch(call);
  },
});

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

async function launch({ operands, flags, typed: own }: Call<typeof FLAGS>): Promise<number> {
  const { typed, config, train } = await parseTraining(operands);
  const json = flags.json || train.json;
  const plan = await planLaunch(flags, typed, config, train.resume ?? undefined);
  const { describePlacement, jobCommand } = await import('../launch/training-command.js');
  const { supervise } = await import('../launch/supervise.js');
  const { listCheckpoints } = await import('../checkpoints/checkpoint-list.js');
  const { settings, placement, processes, runFolder, maxRestarts } = plan;
  const main = fileURLToPath(new URL('main.js', import.meta.url));
  const tensorboard = train.tensorboard ? ['--tensorboard'] : [];
  const always = ['--out', runFolder, '--resume', 'auto', '--json', '--watch-stdin'];
  const training = [
    ...process.execArgv,
    main,
    'train',
    ...plan.training,
    ...tensorboard,
    ...always,
  ];
  const job = jobCommand(placement, processes, [process.execPath, ...training]);

  const console = createConsole();
  let starts = 0;
  const { verbose } = train;
  const progress = createProgress(console, {
    verbose,
    header: (start) => (starts++ === 0 ? headerLines(console, settings, start, verbose) : []),
  });
  const again = againCommand(own, runFolder);
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
    const message = 'without --checkpoint-every, a restart begins at the first step again';
    onEvent({ type: 'warning', message });
  }

  const kill = new AbortController();
  const stop = stopOnSignals(
    (line) => console.err(line),
    () => kill.abort(),
  );
  try {
    const newestStep = () =>
      listCheckpoints(path.join(runFolder, 'checkpoints')).at(-1)?.step ?? null;
    const end = await supervise({
      command: job,
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
    return exitCode(end, stop.exitCode() ?? 143);
  } finally {
    progress.close();
    stop.dispose();
  }
}

/** Reads what follows `--`. @throws UsageError when it is not a training command */
async function parseTraining(args: readonly string[]) {
  const [name, ...others] = args;
  if (name !== 'train') {
    throw new UsageError('launch', `${name} after --; launch starts train, as in -- train a.yaml`);
  }
  const { command: train } = await import('./train-command.js');
  const line = parseCommandLine(name, '', train, others);
  if (line === null) throw new UsageError('launch', '--help after --; see help train');
  const {
    operands: [config],
    typed,
  } = line;
  return { typed, config, train: readFlags(TRAIN_FLAGS, typed) };
}

async function planLaunch(
  flags: LaunchFlags,
  typed: TypedFlags,
  config: string | undefined,
  resume: string | undefined,
): Promise<Plan> {
  const { choosePlacement } = await import('../launch/training-command.js');
  const { settingsFor } = await import('../app/train/resume.js');
  const { newRunFolder } = await import('../app/train/open-run.js');
  const { refuseRun } = await import('../checkpoints/run-folder.js');
  const placement = choosePlacement({
    transport: flags.transport,
    ranks: flags.ranks,
    hosts: flags.hosts,
    mpirun: flags.mpirun,
  });
  const given = await readGiven(config, typed, resume);
  const { ranks } = placement;
  const launched = ranks === null ? null : { name: 'launch', size: ranks };
  const { settings } = settingsFor(given, resume, launched);
  const isFolder = resume !== undefined && resume !== 'auto';
  const runFolder = isFolder ? resume : (settings.out ?? newRunFolder(settings));
  if (resume === undefined && existsSync(runFolder)) refuseRun(runFolder);
  const { out: _out, ranks: _ranks, ...others } = settingsIn(typed);
  return {
    settings,
    placement,
    processes: settings.ranks * settings.replicas,
    runFolder,
    maxRestarts: flags.maxRestarts,
    training: [
      ...(config === undefined ? [] : [config]),
      ...flagArguments({ ...others, ranks: String(settings.ranks) }),
    ],
  };
}

/** The command that goes on with a run. */
function againCommand(typed: TypedFlags, run: string): string {
  const own = Object.entries(typed).flatMap(([key, value]) =>
    typeof value === 'string' ? [flagOf(key), value] : [],
  );
  return commandLine('launch', ...own, '--', 'train', '--resume', run);
}

function withCommand(end: EndEvent, again: string): EndEvent {
  return end.resumeCommand === null ? end : { ...end, resumeCommand: again };
}

function restartLine({ restart, maxRestarts, cause, step }: RestartEvent): string {
  const from = step === null ? 'from the beginning' : `from step ${step}`;
  return `launch: ${cause}; starting again ${from} (restart ${restart} of ${maxRestarts})`;
}
