import { STANDARDIZE_MODES } from '../data/standardize.js';
import { METERS } from '../energy/counter-list.js';
import { ACTIVATION_NAMES, NONLINEARITIES } from '../engines/activations.js';
import { COMPUTE_CHOICES } from '../engines/compute.js';
import { ENGINE_CHOICES } from '../engines/engine-list.js';
import { TASKS } from '../data/tables/schema.js';
import { LOSSES } from '../layers/loss-names.js';
import { STRATEGY_NAMES } from '../layers/strategies.js';
import { RANKED_METRICS } from '../metrics/metric-names.js';
import { OPTIMIZER_NAMES } from '../optimizers/optimizer-list.js';
import { SCHEDULE_NAMES } from '../optimizers/schedule.js';
import { GHOST_PRECISIONS } from '../tensor/precision.js';
import { BYTE_UNITS, MOST, type Setting } from './value-kinds.js';

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

const texts = (group: Group, placeholder: string) =>
  ({ group, kind: 'texts', placeholder, nullable: true }) as const;

/** Of at least 0, or above it. */
const number = (
  group: Group,
  placeholder: string,
  bounds: { readonly above?: true; readonly below?: number } = {},
) => ({ group, kind: 'number', placeholder, least: 0, ...bounds }) as const;

const END_CHOICES = ['auto', 'replicated', 'phantom', 'gather'] as const;

/**
 * Every setting of a training run, once. From it are made: the keys of config files and their JSON
 * Schema, the flags and their help, the type `TrainingSettings` with its docstrings, and the
 * documentation; `npm run generate` writes those that are files.
 */
export const SETTINGS = {
  strategy: {
    ...choice('Network', STRATEGY_NAMES),
    about: 'how layers are split over blocks; tensor-paired needs one all-reduce per two layers',
    initial: 'phantom',
  },
  width: {
    ...integer('Network', 'N', 1, 1 << 20),
    about: 'width of the hidden layers; a multiple of blocks',
    initial: 1024,
  },
  depth: {
    ...integer('Network', 'L', 1, 10_000),
    about: 'number of hidden layers',
    initial: 2,
  },
  widths: {
    group: 'Network',
    kind: 'integers',
    placeholder: 'N,…',
    least: 1,
    most: 1 << 20,
    nullable: true,
    about:
      'widths of the layers instead of width and depth, as in 2048,1024,512: what enters each ' +
      'hidden layer, and what leaves the last; multiples of blocks',
    initial: null,
    fallback: 'width for every layer; those of the model with --from',
  },
  architecture: {
    ...choice('Network', ['plain', 'residual']),
    about:
      'plain: a chain of depth layers; residual: depth blocks that each add down(φ(up(norm(x)))) ' +
      'to x, φ the activation',
    initial: 'plain',
  },
  norm: {
    ...choice('Network', ['rms', 'none']),
    nullable: true,
    about:
      'what divides x on its way into a residual block and the head: its root mean square, whose ' +
      'sums travel with the ghosts, or nothing',
    initial: null,
    fallback: 'rms in residual blocks; plain networks have none',
  },
  expansion: {
    ...integer('Network', 'e', 1, 64),
    nullable: true,
    about: 'times the width that a residual block is wide inside',
    initial: null,
    fallback: '2 in residual blocks',
  },
  gated: {
    group: 'Network',
    kind: 'switch',
    about:
      'make residual blocks of gated units: up gives two halves of e times the width each, and ' +
      'φ of one is multiplied by the other',
    initial: false,
  },
  dropout: {
    ...number('Network', 'p', { below: 1 }),
    about:
      'share of what each hidden activation gives that a training step drops; in residual blocks ' +
      'of the one inside',
    initial: 0,
  },
  recompute: {
    ...integer('Network', 'n', 0, 65_536),
    about:
      'keep only what leaves every n-th hidden layer or residual block, and make the activations between ' +
      'again in the backward pass, to the same bits; 0: keep all',
    initial: 0,
  },
  blocks: {
    ...integer('Network', 'P', 1, 65_536),
    about: 'blocks that each layer is split into; at least 2 for phantom',
    initial: 4,
  },
  ghosts: {
    ...integer('Network', 'K', 1, 1 << 20),
    about:
      'values that each block sends per sample and layer, phantom only; at most width / ' +
      'blocks',
    initial: 16,
  },
  layerGhosts: {
    group: 'Network',
    kind: 'integers',
    placeholder: 'K,…',
    least: 1,
    most: 1 << 20,
    nullable: true,
    about: 'ghosts of each hidden layer, where they differ',
    initial: null,
    fallback: 'ghosts for every layer; those of the model with --from',
  },
  nestedGhosts: {
    group: 'Network',
    kind: 'switch',
    about:
      "train so that the first K' ghosts of each block can be used alone, for every K'; " +
      'the micro-batches of a step use different numbers of ghosts, and accumulate ' +
      'becomes 4 unless given',
    initial: false,
  },
  ghostPrecision: {
    ...choice('Network', GHOST_PRECISIONS),
    about:
      'format of ghosts sent between ranks, phantom only; sums stay float32; with compute ' +
      'bfloat16 it is bfloat16, or int8 if given',
    initial: 'float32',
  },
  ghostActivation: {
    ...choice('Network', ['none', ...NONLINEARITIES]),
    about:
      'function on ghosts before they are sent, phantom only; with one, no whole matrix stands ' +
      'for a layer, so that compress, reblock and dense exports refuse the network',
    initial: 'none',
  },
  compute: {
    ...choice('Network', COMPUTE_CHOICES),
    about:
      'format of what is multiplied: weights, activations and their gradients; products, sums, ' +
      'weights that are updated, optimizer, losses and checkpoints stay float32; tf32: engine ' +
      'cuda alone, training alone',
    initial: 'float32',
  },
  activation: {
    ...choice('Network', ACTIVATION_NAMES),
    about:
      'activation function after every linear layer except the last; gelu is the exact form; with ' +
      'gated silu unless given',
    initial: 'relu',
  },
  ends: {
    ...choice('Network', ['auto', 'replicated', 'sharded']),
    about:
      'how features enter and targets leave; replicated: through input and head layers, ' +
      'of any width; sharded: directly, with features and targets as wide as the layers ' +
      'and loss mse; auto: sharded where that fits',
    initial: 'auto',
  },
  input: {
    ...choice('Network', END_CHOICES),
    about:
      'input layer of replicated ends; replicated: every rank takes all features; phantom: each ' +
      'rank its own blocks of them; gather: that of tensor strategies; auto: phantom where it is ' +
      'smaller and a replicated one the largest layer',
    initial: 'replicated',
  },
  head: {
    ...choice('Network', END_CHOICES),
    about:
      'head of replicated ends, likewise: phantom or gather leave answers split over the ranks, ' +
      'for losses mse, mae, huber and poisson',
    initial: 'replicated',
  },
  from: {
    group: 'Network',
    kind: 'text',
    path: true,
    placeholder: 'model',
    nullable: true,
    about: 'run, checkpoint or model folder to take the network and its first weights from',
    initial: null,
    fallback: 'random weights',
  },
  data: {
    group: 'Data',
    kind: 'text',
    path: true,
    placeholder: 'name|path',
    about:
      'fashion-10k, fashion-mnist, steam, synthetic:teacher?…; a file, folder or pattern such as ' +
      "'trips/*.parquet' (CSV, TSV, JSON, Parquet; IDX, NPY, safetensors); or a query: " +
      '"select … from \'a.csv\'"',
    initial: 'fashion-10k',
  },
  target: {
    ...texts('Data', 'column,…'),
    about:
      'columns of a table to predict; default: the one called target, label or y, else the last',
    initial: null,
  },
  task: {
    ...choice('Data', TASKS),
    nullable: true,
    about: 'what a table is for; default: by the target, and the run says which',
    initial: null,
  },
  ignore: {
    ...texts('Data', 'column,…'),
    about: 'columns of a table to leave out',
    initial: null,
  },
  categorical: {
    ...texts('Data', 'column,…'),
    about: 'columns of numbers that are names of something: each value becomes a feature',
    initial: null,
  },
  id: {
    group: 'Data',
    kind: 'text',
    placeholder: 'column',
    nullable: true,
    about: 'column that names the rows: not a feature, copied beside predictions',
    initial: null,
  },
  weightColumn: {
    group: 'Data',
    kind: 'text',
    placeholder: 'column',
    nullable: true,
    about:
      'column that says how much each row counts, in the loss and in metrics; divided by its mean ' +
      'over the training rows',
    initial: null,
  },
  header: {
    ...choice('Data', ['auto', 'yes', 'no']),
    about: 'whether a CSV file starts with names; auto: by its first rows, and the run says so',
    initial: 'auto',
  },
  decimal: {
    ...choice('Data', ['auto', 'point', 'comma']),
    about: 'what 1,234 is in a CSV file: point: 1234, comma: 1.234; auto: refused where unclear',
    initial: 'auto',
  },
  missing: {
    ...choice('Data', ['fill', 'error']),
    about: 'gaps in features of a table: fill: by the median, marked by a feature; error: refused',
    initial: 'fill',
  },
  bins: {
    ...integer('Data', 'n', 0, 1024),
    about:
      'make each number of a table up to n features, piecewise linear between quantiles of the ' +
      'training rows; 0: one feature; n is 0 or from 2 on',
    initial: 0,
  },
  dataMemory: {
    ...number('Data', 'bytes', { above: true }),
    units: BYTE_UNITS,
    nullable: true,
    about:
      'rows of a table beyond this, for all processes of a machine, are kept in a file; default: ' +
      'half of the free memory',
    initial: null,
  },
  dataCache: {
    group: 'Data',
    kind: 'text',
    path: true,
    placeholder: 'folder',
    nullable: true,
    about: 'where that file is kept; default: the folder for temporary files',
    initial: null,
  },
  standardize: {
    ...choice('Data', STANDARDIZE_MODES),
    about:
      'scale features to mean 0 and variance 1, as measured on the training rows; auto: ' +
      'tables and images',
    initial: 'auto',
  },
  validation: {
    group: 'Data',
    kind: 'fraction-or-path',
    path: true,
    placeholder: 'fraction|path',
    nullable: true,
    about: 'rows to validate on: a fraction (0.2 or 20%), a second file; 0: none',
    initial: null,
    fallback: "the data set's own validation rows, if any",
  },
  shuffle: {
    group: 'Data',
    kind: 'switch',
    about: 'visit the rows in a new order in each epoch; false: in the order of the file',
    off: 'visit the rows in the order of the file in each epoch',
    initial: true,
  },
  batch: {
    ...integer('Training', 'B', 1, 1 << 24),
    about: 'samples per step and replica',
    initial: 128,
  },
  accumulate: {
    ...integer('Training', 'n', 1, 1 << 24),
    about: 'micro-batches per step; they divide the batch',
    initial: 1,
  },
  steps: {
    ...integer('Training', 'T', 1),
    nullable: true,
    about: 'length of the run in steps; not with epochs',
    initial: null,
    fallback: 'as epochs says',
  },
  epochs: {
    ...integer('Training', 'E', 1),
    nullable: true,
    about: 'length of the run in passes over the data; not with steps',
    initial: null,
    fallback: '5 if steps is not set',
  },
  loss: {
    ...choice('Training', LOSSES),
    nullable: true,
    about: 'what is minimized; mae, huber, quantile and poisson are of numbers',
    initial: null,
    fallback: 'cross-entropy for labels, mse for numbers',
  },
  huberDelta: {
    ...number('Training', 'δ', { above: true }),
    about:
      'error up to which huber is a square, in standard deviations of the target where it is ' +
      'standardized',
    initial: 1,
  },
  quantiles: {
    group: 'Training',
    kind: 'numbers',
    placeholder: 'τ,…',
    least: 0,
    above: true,
    below: 1,
    about: 'what quantile predicts: each target has an output for each of them',
    initial: [0.1, 0.5, 0.9],
  },
  classWeights: {
    group: 'Training',
    kind: 'text',
    placeholder: 'balanced|a=1,b=2',
    nullable: true,
    about:
      'how much rows of each class count in training; balanced: all classes the same together; ' +
      'divided by the mean over the training rows',
    initial: null,
  },
  labelSmoothing: {
    ...number('Training', 'share', { below: 1 }),
    about: 'share of each label that is spread over all classes',
    initial: 0,
  },
  targetLoss: {
    ...number('Training', 'loss'),
    nullable: true,
    about:
      'stop when the validation loss, or without validation the training loss, is at most ' +
      'this',
    initial: null,
    fallback: 'never',
  },
  seed: {
    ...integer('Training', 'n', 0),
    about: 'seed of weights, order of rows and synthetic data',
    initial: 0,
  },
  validateEvery: {
    ...integer('Training', 'steps', 1),
    nullable: true,
    about: 'steps between validations',
    initial: null,
    fallback: 'once per epoch, and at the end',
  },
  earlyStopping: {
    ...integer('Training', 'n', 1),
    nullable: true,
    about: 'stop after so many validations in a row without a better one (see best-by)',
    initial: null,
    fallback: 'never',
  },
  optimizer: {
    ...choice('Optimizer', OPTIMIZER_NAMES),
    about: "how weights are updated; momentum is Nesterov's form",
    initial: 'adam',
  },
  lr: {
    ...number('Optimizer', 'rate', { above: true }),
    about: 'learning rate; the best one differs between strategies',
    initial: 1e-3,
  },
  schedule: {
    ...choice('Optimizer', SCHEDULE_NAMES),
    about:
      'learning rate after the warmup; linear and cosine fall to zero; plateau falls when ' +
      'validations get no better',
    initial: 'constant',
  },
  scheduleSteps: {
    ...integer('Optimizer', 'T', 1),
    nullable: true,
    about: 'step at which linear and cosine reach zero; a longer run stays there',
    initial: null,
    fallback: 'the length of the run',
  },
  plateauFactor: {
    ...number('Optimizer', 'factor', { above: true, below: 1 }),
    about: 'what schedule plateau multiplies the learning rate by',
    initial: 0.5,
  },
  plateauPatience: {
    ...integer('Optimizer', 'n', 1),
    about: 'validations in a row without a better one before it does',
    initial: 3,
  },
  ema: {
    ...number('Optimizer', 'decay', { above: true, below: 1 }),
    nullable: true,
    about:
      'keep a moving average of the weights, as in 0.999; validation, the best checkpoint and ' +
      'what is opened of a run use it',
    initial: null,
    fallback: 'no average',
  },
  warmup: {
    ...integer('Optimizer', 'steps', 0),
    about: 'steps in which the learning rate rises from zero to lr',
    initial: 0,
  },
  weightDecay: {
    ...number('Optimizer', 'rate'),
    about: 'weight decay; decoupled for adamw, else added to the gradient',
    initial: 0,
  },
  clipNorm: {
    ...number('Optimizer', 'norm', { above: true }),
    nullable: true,
    about: 'largest global gradient norm; longer gradients are scaled down',
    initial: null,
    fallback: 'no clipping',
  },
  momentum: {
    ...number('Optimizer', 'μ', { below: 1 }),
    about: 'factor of the optimizer momentum',
    initial: 0.9,
  },
  beta1: {
    ...number('Optimizer', 'β₁', { below: 1 }),
    about: 'decay of the first moment, adam and adamw',
    initial: 0.9,
  },
  beta2: {
    ...number('Optimizer', 'β₂', { below: 1 }),
    about: 'decay of the second moment, adam and adamw',
    initial: 0.999,
  },
  epsilon: {
    ...number('Optimizer', 'ε', { above: true }),
    about: 'added to the denominator, adam and adamw',
    initial: 1e-8,
  },
  ranks: {
    ...integer('Machine', 'R', 1, 1024),
    about: 'worker threads per replica; they divide the blocks',
    initial: null,
    fallback: 'one per core that may be used, as far as they divide the blocks',
  },
  replicas: {
    ...integer('Machine', 'D', 1, 256),
    about:
      'data-parallel copies of all ranks, R × D worker threads in all; each takes its own ' +
      'batch',
    initial: 1,
  },
  engine: {
    ...choice('Machine', ENGINE_CHOICES),
    about:
      'what computes; auto: blas where this machine has it, else wasm; cuda has never run on a GPU',
    initial: 'auto',
  },
  devices: {
    group: 'Machine',
    kind: 'devices',
    placeholder: 'n,…',
    nullable: true,
    about:
      "GPUs of engine cuda, by UUID or as the driver counts them from 0: a machine's ranks take them in turn, " +
      'and without --ranks each has one rank',
    initial: null,
    fallback: 'all, and one rank',
  },
  bind: {
    ...choice('Machine', ['auto', 'none']),
    about:
      'auto: on machines with several NUMA nodes, and as many ranks or more, keep the thread of each ' +
      'rank, with its memory, on one node; MPI leaves it to the launcher',
    initial: 'auto',
  },
  relaxedSimd: {
    group: 'Machine',
    kind: 'switch',
    about:
      'use fused multiply-add in the WebAssembly kernels: faster before Node 24, with results that ' +
      'differ between CPUs',
    initial: false,
  },
  timeout: {
    ...number('Machine', 'seconds'),
    about: 'seconds that a collective waits for missing ranks; 0: without limit',
    initial: 60,
  },
  meter: {
    ...choice('Energy', METERS),
    about:
      'what measures energy; auto: an energy counter of this machine, or else a model, ' +
      'labeled modelled',
    initial: 'auto',
  },
  machine: {
    group: 'Energy',
    kind: 'text',
    path: true,
    placeholder: 'name|file',
    about: 'machine file with the watts for modelled energy',
    initial: 'default',
  },
  carbonIntensity: {
    ...number('Energy', 'g/kWh'),
    about:
      'grams of CO₂ equivalent per kWh of electricity; the default is the world average ' +
      'of 2024 (Ember, 2025)',
    initial: 473,
  },
  pue: {
    group: 'Energy',
    kind: 'number',
    placeholder: 'ratio',
    least: 1,
    about:
      'energy of the data center / energy of its computers; the default is the mean of a ' +
      'survey (Uptime Institute, 2024)',
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
    about: 'steps between checkpoints',
    initial: null,
    fallback: 'only at the start and the end',
  },
  keepCheckpoints: {
    ...integer('Output', 'n', 1),
    nullable: true,
    about: 'newest checkpoints to keep, besides that of step 0 and the best',
    initial: null,
    fallback: 'all',
  },
  bestBy: {
    ...choice('Output', ['loss', ...RANKED_METRICS]),
    nullable: true,
    about:
      'which validation is the best; its checkpoint is checkpoints/best, which eval, predict, ' +
      'serve, export and compress open; none: the last is',
    initial: 'loss',
  },
  out: {
    group: 'Output',
    kind: 'text',
    path: true,
    placeholder: 'folder',
    nullable: 'file',
    about: 'run folder',
    initial: null,
    fallback: 'a new folder below runs/',
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
