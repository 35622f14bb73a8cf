import { METERS } from '../energy/meter.js';
import { ACTIVATION_NAMES } from '../engines/activations.js';
import { ENGINE_CHOICES } from '../engines/engine-list.js';
import { LOSSES } from '../layers/loss-names.js';
import { STRATEGY_NAMES } from '../layers/strategies.js';
import { OPTIMIZER_NAMES } from '../optimizers/optimizer-list.js';
import { MOST, type Setting } from './value-kinds.js';

/** Sections of `--help`, in its order. */
export const SETTING_GROUPS = [
  'Network',
  'Data',
  'Training',
  'Optimizer',
  'Machine',
  'Energy',
  'Output',
] as const;

type Group = (typeof SETTING_GROUPS)[number];

const choice = <const C extends readonly string[]>(group: Group, choices: C) =>
  ({ group, kind: 'choice', choices }) as const;

const integer = (group: Group, placeholder: string, least: number, most: number = MOST) =>
  ({ group, kind: 'integer', placeholder, least, most }) as const;

/** Of at least 0, or above it. */
const number = (
  group: Group,
  placeholder: string,
  bounds: { readonly above?: true; readonly below?: number } = {},
) => ({ group, kind: 'number', placeholder, least: 0, ...bounds }) as const;

/**
 * Every setting of a training run, once. From it are made: the keys of config files and their JSON
 * Schema, the flags and their help, the type `TrainingSettings` with its docstrings, and the
 * documentation; `npm run generate` writes those that are files.
 */
export const SETTINGS = {
  strategy: {
    ...choice('Network', STRATEGY_NAMES),
    about: 'how layers are split over blocks; tensor-paired: one all-reduce for two layers',
    initial: 'phantom',
  },
  width: {
    ...integer('Network', 'N', 1, 1 << 20),
    about: 'width of the hidden layers; the blocks divide it',
    initial: 1024,
  },
  depth: {
    ...integer('Network', 'L', 1, 10_000),
    about: 'hidden layers of that width',
    initial: 2,
  },
  blocks: {
    ...integer('Network', 'P', 1, 65_536),
    about: 'blocks that a layer is split into; two or more for phantom',
    initial: 4,
  },
  ghosts: {
    ...integer('Network', 'K', 1, 1 << 20),
    about: 'numbers that a block sends of a sample, phantom only; at most width / blocks',
    initial: 16,
  },
  layerGhosts: {
    group: 'Network',
    kind: 'integers',
    placeholder: 'K,…',
    least: 1,
    most: 1 << 20,
    nullable: true,
    about: 'ghosts of each hidden layer, where they differ; a compressed model brings its own',
    initial: null,
  },
  nestedGhosts: {
    group: 'Network',
    kind: 'switch',
    about:
      "train so that the first K' ghosts of every block work for every K'; micro-batches use K, 1 " +
      'and drawn numbers of ghosts (accumulate is then 4 unless given)',
    initial: false,
  },
  ghostPrecision: {
    ...choice('Network', ['float32', 'bfloat16', 'int8']),
    about: 'how ghosts travel between ranks, phantom only; sums stay float32',
    initial: 'float32',
  },
  activation: {
    ...choice('Network', ACTIVATION_NAMES),
    about: 'after every linear layer but the last; gelu is the exact form',
    initial: 'relu',
  },
  ends: {
    ...choice('Network', ['auto', 'replicated', 'sharded']),
    about:
      'replicated: input and head layers of any width around the hidden ones; sharded: features ' +
      'and targets as wide as they are, and mse; auto: sharded where that fits',
    initial: 'auto',
  },
  from: {
    group: 'Network',
    kind: 'text',
    placeholder: 'model',
    nullable: true,
    about:
      'begin with the network and weights of a run, checkpoint or model folder, as to heal one ' +
      'that was compressed',
    initial: null,
  },
  data: {
    group: 'Data',
    kind: 'text',
    placeholder: 'name|path',
    about:
      'fashion-10k, fashion-mnist, synthetic:teacher?…, or a file or folder ' +
      '(IDX, CSV, NPY, Parquet, safetensors)',
    initial: 'fashion-10k',
  },
  standardize: {
    ...choice('Data', ['auto', 'on', 'off']),
    about: 'zero mean and unit variance, fitted on the training part; auto: images only',
    initial: 'auto',
  },
  validation: {
    group: 'Data',
    kind: 'fraction-or-path',
    placeholder: 'fraction|path',
    nullable: true,
    about: "share of the rows, or a second file; without it the data's own part, if any",
    initial: null,
  },
  shuffle: {
    group: 'Data',
    kind: 'switch',
    about: 'visit the rows of each epoch in a new order; false: in the order of the file',
    off: 'visit the rows in the order of the file, not in a new one each epoch',
    initial: true,
  },
  batch: {
    ...integer('Training', 'B', 1, 1 << 24),
    about: 'samples of a step, of each replica',
    initial: 128,
  },
  accumulate: {
    ...integer('Training', 'n', 1, 1 << 24),
    about: 'micro-batches that a step is computed in; they divide the batch',
    initial: 1,
  },
  steps: {
    ...integer('Training', 'T', 1),
    nullable: true,
    about: 'length of the run in steps; excludes epochs',
    initial: null,
  },
  epochs: {
    ...integer('Training', 'E', 1),
    nullable: true,
    about: 'length of the run in passes over the data; 5 when neither is given',
    initial: null,
  },
  loss: {
    ...choice('Training', LOSSES),
    nullable: true,
    about: 'without it cross-entropy for labels, mse for numbers',
    initial: null,
  },
  targetLoss: {
    ...number('Training', 'loss'),
    nullable: true,
    about:
      'stop when a loss is this or less: the validation loss, or without one the training loss',
    initial: null,
  },
  seed: {
    ...integer('Training', 'n', 0),
    about: 'of weights, order and synthetic data',
    initial: 0,
  },
  validateEvery: {
    ...integer('Training', 'steps', 1),
    nullable: true,
    about: 'steps between validations; without it once an epoch, and at the end',
    initial: null,
  },
  optimizer: {
    ...choice('Optimizer', OPTIMIZER_NAMES),
    about: "momentum is Nesterov's form",
    initial: 'adam',
  },
  lr: {
    ...number('Optimizer', 'rate', { above: true }),
    about: 'learning rate; the best one differs between strategies',
    initial: 1e-3,
  },
  schedule: {
    ...choice('Optimizer', ['constant', 'linear', 'cosine']),
    about: 'learning rate after the warm-up; linear and cosine fall to zero',
    initial: 'constant',
  },
  warmup: {
    ...integer('Optimizer', 'steps', 0),
    about: 'steps over which the learning rate rises to its value',
    initial: 0,
  },
  weightDecay: {
    ...number('Optimizer', 'rate'),
    about: 'decoupled for adamw, else added to the gradient',
    initial: 0,
  },
  clipNorm: {
    ...number('Optimizer', 'norm', { above: true }),
    nullable: true,
    about: 'largest global norm of a gradient; longer ones are scaled down',
    initial: null,
  },
  momentum: {
    ...number('Optimizer', 'μ', { below: 1 }),
    about: 'of the optimizer momentum',
    initial: 0.9,
  },
  beta1: {
    ...number('Optimizer', 'β₁', { below: 1 }),
    about: 'of adam and adamw',
    initial: 0.9,
  },
  beta2: {
    ...number('Optimizer', 'β₂', { below: 1 }),
    about: 'of adam and adamw',
    initial: 0.999,
  },
  epsilon: {
    ...number('Optimizer', 'ε', { above: true }),
    about: 'of adam and adamw',
    initial: 1e-8,
  },
  ranks: {
    ...integer('Machine', 'R', 1, 1024),
    about:
      'worker threads that host the blocks, and divide them; without it as many as have a core',
    initial: null,
  },
  replicas: {
    ...integer('Machine', 'D', 1, 256),
    about:
      'data-parallel replicas of the ranks, D × R worker threads; each takes a batch of its own',
    initial: 1,
  },
  engine: {
    ...choice('Machine', ENGINE_CHOICES),
    about: 'what computes; auto: the fastest that is there',
    initial: 'auto',
  },
  relaxedSimd: {
    group: 'Machine',
    kind: 'switch',
    about: 'fused multiply-add in the WebAssembly kernels; results then differ between CPUs',
    initial: false,
  },
  timeout: {
    ...number('Machine', 'seconds'),
    about: 'how long a collective waits for missing ranks; 0: for ever',
    initial: 60,
  },
  meter: {
    ...choice('Energy', METERS),
    about:
      'what measures energy; auto: a counter of the machine that may be read, else the model, ' +
      'which is labelled so',
    initial: 'auto',
  },
  machine: {
    group: 'Energy',
    kind: 'text',
    placeholder: 'name|file',
    about: 'machine file with the watts of the modelled energy',
    initial: 'default',
  },
  carbonIntensity: {
    ...number('Energy', 'g/kWh'),
    about: 'CO₂ equivalent of electricity; the default is the world in 2024 (Ember, 2025)',
    initial: 473,
  },
  pue: {
    group: 'Energy',
    kind: 'number',
    placeholder: 'ratio',
    least: 1,
    about:
      'energy of the data centre over that of its computers; the default is the mean of a survey ' +
      '(Uptime Institute, 2024)',
    initial: 1.56,
  },
  logEvery: {
    ...integer('Output', 'steps', 1),
    about: 'steps between entries of metrics.jsonl',
    initial: 10,
  },
  checkpointEvery: {
    ...integer('Output', 'steps', 1),
    nullable: true,
    about: 'steps between checkpoints; without it the first and the last only',
    initial: null,
  },
  keepCheckpoints: {
    ...integer('Output', 'n', 1),
    nullable: true,
    about: 'newest checkpoints to keep, besides that of step 0; without it all',
    initial: null,
  },
  out: {
    group: 'Output',
    kind: 'text',
    placeholder: 'folder',
    nullable: 'file',
    about: 'run folder; without it a new one under runs/',
    initial: null,
  },
} as const satisfies Readonly<Record<string, Setting & { readonly group: Group }>>;

export type SettingKey = keyof typeof SETTINGS;

export const SETTING_KEYS = Object.keys(SETTINGS) as SettingKey[];

/** The table's entry of a key, of the type that all entries have. */
export function settingOf(key: SettingKey): Setting & { readonly group: Group } {
  return SETTINGS[key];
}

/** `weightDecay` → `--weight-decay` */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
