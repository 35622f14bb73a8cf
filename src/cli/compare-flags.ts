import { type FlagTable, type FlagValues, JSON_FLAG } from './flags.js';

/** Settings that the comparison sets itself, and what says them instead. */
export const OWN: Readonly<Record<string, string>> = {
  strategy: 'all strategies take part',
  ghosts: 'use --try-ghosts',
  layerGhosts: 'use --try-ghosts',
  widths: 'use --width and --depth',
  lr: 'use --rates',
  seed: 'use --seeds',
  targetLoss: 'the loss is that of tensor',
  replicas: 'runs have one replica',
};

/** Flags of `compare` alone. */
export const FLAGS = {
  rates: {
    kind: 'numbers',
    placeholder: 'list',
    least: 0,
    above: true,
    below: 1000,
    about: 'learning rates to try',
    initial: [3e-4, 1e-3, 3e-3],
    group: 'Comparison',
  },
  seeds: {
    kind: 'integer',
    placeholder: 'n',
    least: 1,
    most: 1000,
    about: 'runs of each network at its best rate',
    initial: 3,
    group: 'Comparison',
  },
  tryGhosts: {
    kind: 'integers',
    placeholder: 'list',
    least: 1,
    most: 1 << 20,
    about: 'K of the phantom networks',
    initial: null,
    fallback: 'M/16,M/4',
    group: 'Comparison',
  },
  frontier: {
    kind: 'switch',
    about: 'compare networks of many sizes by what each loss takes',
    initial: false,
    group: 'Comparison',
  },
  tryWidths: {
    kind: 'integers',
    placeholder: 'list',
    least: 1,
    most: 1 << 20,
    about: 'widths of --frontier; the blocks divide them',
    initial: null,
    fallback: 'N/8,N/4,N/2,N',
    group: 'Comparison',
  },
  tryDepths: {
    kind: 'integers',
    placeholder: 'list',
    least: 1,
    most: 1 << 16,
    about: 'depths of --frontier',
    initial: null,
    fallback: 'that of --depth',
    group: 'Comparison',
  },
  search: {
    kind: 'integer',
    placeholder: 'n',
    least: 0,
    most: 1000,
    about: 'most smaller networks to try; 0: none',
    initial: 6,
    group: 'Comparison',
  },
  patience: {
    kind: 'number',
    placeholder: 'times',
    least: 1,
    most: 100,
    about: 'most steps of a run to a given loss, as a multiple of the steps of the others',
    initial: 2,
    group: 'Comparison',
  },
  json: {
    ...JSON_FLAG,
    about: 'print a JSON object per run and one with the tables, nothing else',
  },
} as const satisfies FlagTable;

/** What they were given. */
export type Options = FlagValues<typeof FLAGS>;
