#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { findLauncher, type Launcher } from '../communicators/launcher.js';
import { hint } from '../base/nearest.js';
import { flushed, tolerateLostOutput } from './console.js';
import { EXIT, reportRankFailure, UsageError, usageError } from './failure.js';
import { packageVersion } from '../base/version.js';

/** What a command's file exports: it is loaded when the command is called. */
interface CommandModule {
  /** @param done takes the exit code @param launcher of the job that this process is a rank of */
  define(command: Command, done: (exitCode: number) => void, launcher: Launcher | null): void;
}

const COMMANDS: Readonly<
  Record<string, { about: string; hidden?: true; load: () => Promise<CommandModule> }>
> = {
  train: { about: 'train a network', load: () => import('./train.js') },
  launch: {
    about: 'start training over processes, and again when one of them dies',
    load: () => import('./launch.js'),
  },
  eval: { about: "a run's loss and accuracy on data", load: () => import('./eval.js') },
  compress: {
    about: 'turn a dense network into a phantom one',
    load: () => import('./compress.js'),
  },
  export: {
    about: 'write a model as ONNX or safetensors for other programs',
    load: () => import('./export.js'),
  },
  energy: {
    about: 'the energy that any command takes',
    load: () => import('./energy.js'),
  },
  predict: { about: 'answer rows of a file', load: () => import('./predict.js') },
  serve: {
    about: 'answer requests over HTTP, by the Open Inference Protocol',
    load: () => import('./serve.js'),
  },
  doctor: {
    about:
      'what this machine can compute, communicate and measure energy with, and what would help',
    load: () => import('./doctor.js'),
  },
  demo: {
    about: 'train a tensor-parallel and a phantom-parallel network and compare them',
    load: () => import('./demo.js'),
  },
  compare: {
    about: 'compare strategies at equal width, equal parameters and equal loss',
    load: () => import('./compare.js'),
  },
  report: {
    about: 'one page of runs: losses, time, energy, communication, memory',
    load: () => import('./report.js'),
  },
  plan: {
    about: 'what a training step would take: FLOPs, bytes, memory, time and energy, without a run',
    load: () => import('./plan.js'),
  },
  calibrate: {
    about: "measure this machine's kernels and collectives into a machine file",
    load: () => import('./calibrate.js'),
  },
  schema: {
    about: 'print the JSON Schema of config files',
    hidden: true,
    load: () => import('./schema.js'),
  },
};

const EXAMPLES = `
Examples:
  $ phantom demo
  $ phantom train --data fashion-10k --strategy phantom --ghosts 32 --epochs 5
  $ phantom launch --ranks 4 -- train config.yaml --checkpoint-every 100
  $ phantom eval runs/<name> --data fashion-10k
  $ phantom energy -- make -j8
  $ phantom report runs/<name> runs/<other>
  $ phantom predict runs/<name> --data rows.csv --out answers.csv
  $ phantom serve runs/<name>
  $ phantom <command> --help`;

async function main(args: readonly string[], launcher: Launcher | null): Promise<number> {
  let exitCode: number = EXIT.fine;
  const program = new Command('phantom')
    .description('Train feed-forward networks with phantom and tensor parallelism.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .enablePositionalOptions();

  const name = args.find((argument) => !argument.startsWith('-'));
  const names = Object.keys(COMMANDS).filter((key) => !COMMANDS[key]?.hidden);
  for (const [key, { about, hidden, load }] of Object.entries(COMMANDS)) {
    const command = program.command(key, { hidden: hidden ?? false }).description(about);
    if (key !== name) continue;
    const module = await load();
    const done = (code: number) => {
      exitCode = code;
    };
    module.define(command, done, launcher);
  }
  try {
    if (name !== undefined && !Object.hasOwn(COMMANDS, name)) {
      throw new UsageError('command', `unknown command ${name}${hint(name, names)}`);
    }
    if (args.length === 0) program.help({ error: true });
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.fine; // help or version was printed
    if (error.code === 'commander.help') return EXIT.user;
    const called = program.commands.find((command) => command.name() === name) ?? program;
    const flags = called.options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? '');
    throw usageError(error, [...flags, '--help']);
  }
}

/** Those before `--`: what follows is another program's. */
function ownArguments(all: readonly string[]): readonly string[] {
  const end = all.indexOf('--');
  return end < 0 ? all : all.slice(0, end);
}

tolerateLostOutput();
const args = process.argv.slice(2);
const launcher = findLauncher();
const exitCode = await main(args, launcher).catch((error: unknown) =>
  reportRankFailure(error, ownArguments(args).includes('--json'), launcher?.rank ?? 0),
);
await flushed();
// Not by returning: a rank that hangs after a failure must not keep the command alive.
process.exit(exitCode);
