import type { CommandModel, Help, Operand } from './command.js';
import type { Flag } from './flags.js';
import { flagOf } from '../settings/keys.js';

interface Listed {
  readonly about: string;
  readonly group: string;
  readonly load: () => Promise<{ readonly command: CommandModel }>;
}

/** Every command, in the order of `--help`. Its file is loaded when it is called. */
export const COMMANDS: Readonly<Record<string, Listed>> = {
  demo: {
    about: 'train a tensor-parallel and a phantom-parallel network and compare them',
    group: 'Train',
    load: () => import('./demo-command.js'),
  },
  inspect: {
    about: 'what is in a table, a run, a model or a file of weights',
    group: 'Train',
    load: () => import('./inspect-command.js'),
  },
  init: {
    about: 'write a config for a table, with what was found in it',
    group: 'Train',
    load: () => import('./init-command.js'),
  },
  train: { about: 'train a network', group: 'Train', load: () => import('./train-command.js') },
  launch: {
    about: 'train over processes or threads, and restart when a rank dies',
    group: 'Train',
    load: () => import('./launch-command.js'),
  },
  eval: {
    about: 'loss and accuracy of a trained network on data',
    group: 'Train',
    load: () => import('./eval-command.js'),
  },
  report: {
    about: 'one page on runs: losses, time, energy, communication and memory',
    group: 'Train',
    load: () => import('./report-command.js'),
  },
  watch: {
    about: 'a live page of runs as they go',
    group: 'Train',
    load: () => import('./watch-command.js'),
  },
  runs: {
    about: 'list runs with their results',
    group: 'Train',
    load: () => import('./runs-command.js'),
  },
  compare: {
    about: 'compare strategies at equal width, equal parameters and equal loss',
    group: 'Train',
    load: () => import('./compare-command.js'),
  },
  predict: {
    about: 'answer the rows of a file',
    group: 'Use a trained network',
    load: () => import('./predict-command.js'),
  },
  serve: {
    about: 'answer requests over HTTP, by the Open Inference Protocol',
    group: 'Use a trained network',
    load: () => import('./serve-command.js'),
  },
  compress: {
    about: 'turn a dense network into a phantom one',
    group: 'Use a trained network',
    load: () => import('./compress-command.js'),
  },
  reblock: {
    about: 'give a phantom network another number of blocks',
    group: 'Use a trained network',
    load: () => import('./reblock-command.js'),
  },
  export: {
    about: 'write a network as ONNX or safetensors for other programs',
    group: 'Use a trained network',
    load: () => import('./export-command.js'),
  },
  doctor: {
    about: 'what this machine can compute, communicate and measure with, and what is missing',
    group: 'Machine',
    load: () => import('./doctor-command.js'),
  },
  plan: {
    about: 'FLOPs, bytes, memory, time and energy of a training step, without running it',
    group: 'Machine',
    load: () => import('./plan-command.js'),
  },
  calibrate: {
    about: 'measure kernels and collectives of this machine for plan',
    group: 'Machine',
    load: () => import('./calibrate-command.js'),
  },
  energy: {
    about: 'measure the energy of any command',
    group: 'Machine',
    load: () => import('./energy-command.js'),
  },
  schema: {
    about: 'print the JSON Schema of config files, for editors',
    group: 'Machine',
    load: () => import('./schema-command.js'),
  },
};

/** Examples of the most used commands. */
export function programExamples(phantom: string): readonly string[] {
  return [
    `${phantom} demo`,
    `${phantom} train --data fashion-10k --ghosts 32 --epochs 5 --out runs/first`,
    `${phantom} eval runs/first`,
    `${phantom} report runs/first`,
    `${phantom} predict runs/first --data rows.csv --out answers.csv`,
    `${phantom} serve runs/first`,
    `${phantom} help train`,
  ];
}

/** A command as documentation needs it. */
export interface CommandDescription extends Help {
  readonly name: string;
  readonly about: string;
  readonly group: string;
  readonly operands: readonly Operand[];
  /** Those that `--help` shows, `--weight-decay` with what it takes. */
  readonly flags: readonly { readonly key: string; readonly flag: string; readonly takes: Flag }[];
}

/** Every command with its operands, flags, notes and examples. @param phantom the command's name in
 * notes and examples */
export async function describeCommands(phantom: string): Promise<CommandDescription[]> {
  return Promise.all(
    Object.entries(COMMANDS).map(async ([name, { about, group, load }]) => {
      const { command } = await load();
      const flags = Object.entries(command.flags)
        .filter(([, { hidden }]) => !hidden)
        .map(([key, takes]) => ({ key, flag: flagOf(key), takes }));
      return { name, about, group, operands: command.operands, flags, ...command.help(phantom) };
    }),
  );
}
