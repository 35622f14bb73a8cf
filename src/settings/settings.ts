// Made from keys.ts by `npm run generate`; a change belongs there.

/**
 * Settings of a training run, with every default filled in. A config file has the same keys; a
 * flag is the key in kebab-case. null: not set, or decided by the data.
 */
export interface TrainingSettings {
  /**
   * How layers are split over blocks; tensor-paired needs one all-reduce per two layers. Default:
   * phantom.
   */
  readonly strategy: 'phantom' | 'tensor' | 'tensor-paired';
  /**
   * Width of the hidden layers; a multiple of blocks. An integer from 1 to 1048576. Default: 1024.
   */
  readonly width: number;
  /** Number of hidden layers. An integer from 1 to 10000. Default: 2. */
  readonly depth: number;
  /**
   * Widths of the layers instead of width and depth, as in 2048,1024,512: what enters each hidden
   * layer, and what leaves the last; multiples of blocks. A list of integers from 1 to 1048576, as
   * in 4,16.
   */
  readonly widths: readonly number[] | null;
  /**
   * Plain: a chain of depth layers; residual: depth blocks that each add down(φ(up(norm(x)))) to x,
   * φ the activation. Default: plain.
   */
  readonly architecture: 'plain' | 'residual';
  /**
   * What divides x on its way into a residual block and the head: its root mean square, whose sums
   * travel with the ghosts, or nothing.
   */
  readonly norm: 'rms' | 'none' | null;
  /** Times the width that a residual block is wide inside. An integer from 1 to 64. */
  readonly expansion: number | null;
  /**
   * Make residual blocks of gated units: up gives two halves of e times the width each, and φ of
   * one is multiplied by the other. Default: false.
   */
  readonly gated: boolean;
  /**
   * Share of what each hidden activation gives that a training step drops; in residual blocks of
   * the one inside. A number of at least 0 and below 1. Default: 0.
   */
  readonly dropout: number;
  /**
   * Keep only what leaves every n-th hidden layer or residual block, and make the activations
   * between again in the backward pass, to the same bits; 0: keep all. An integer from 0 to 65536.
   * Default: 0.
   */
  readonly recompute: number;
  /**
   * Blocks that each layer is split into; at least 2 for phantom. An integer from 1 to 65536.
   * Default: 4.
   */
  readonly blocks: number;
  /**
   * Values that each block sends per sample and layer, phantom only; at most width / blocks. An
   * integer from 1 to 1048576. Default: 16.
   */
  readonly ghosts: number;
  /**
   * Ghosts of each hidden layer, where they differ. A list of integers from 1 to 1048576, as in
   * 4,16.
   */
  readonly layerGhosts: readonly number[] | null;
  /**
   * Train so that the first K' ghosts of each block can be used alone, for every K'; the
   * micro-batches of a step use different numbers of ghosts, and accumulate becomes 4 unless given.
   * Default: false.
   */
  readonly nestedGhosts: boolean;
  /**
   * Format of ghosts sent between ranks, phantom only; sums stay float32; with compute bfloat16 it
   * is bfloat16, or int8 if given. Default: float32.
   */
  readonly ghostPrecision: 'float32' | 'bfloat16' | 'int8';
  /**
   * Function on ghosts before they are sent, phantom only; with one, no whole matrix stands for a
   * layer, so that compress, reblock and dense exports refuse the network. Default: none.
   */
  readonly ghostActivation:
    | 'none'
    | 'relu'
    | 'gelu'
    | 'silu'
    | 'tanh'
    | 'elu'
    | 'leaky-relu'
    | 'sine';
  /**
   * Format of what is multiplied: weights, activations and their gradients; products, sums, weights
   * that are updated, optimizer, losses and checkpoints stay float32; tf32: engine cuda alone,
   * training alone. Default: float32.
   */
  readonly compute: 'float32' | 'tf32' | 'bfloat16';
  /**
   * Activation function after every linear layer except the last; gelu is the exact form; with
   * gated silu unless given. Default: relu.
   */
  readonly activation:
    | 'relu'
    | 'gelu'
    | 'silu'
    | 'tanh'
    | 'identity'
    | 'elu'
    | 'leaky-relu'
    | 'sine';
  /**
   * How features enter and targets leave; replicated: through input and head layers, of any width;
   * sharded: directly, with features and targets as wide as the layers and loss mse; auto: sharded
   * where that fits. Default: auto.
   */
  readonly ends: 'auto' | 'replicated' | 'sharded';
  /**
   * Input layer of replicated ends; replicated: every rank takes all features; phantom: each rank
   * its own blocks of them; gather: that of tensor strategies; auto: phantom where it is smaller
   * and a replicated one the largest layer. Default: replicated.
   */
  readonly input: 'auto' | 'replicated' | 'phantom' | 'gather';
  /**
   * Head of replicated ends, likewise: phantom or gather leave answers split over the ranks, for
   * losses mse, mae, huber and poisson. Default: replicated.
   */
  readonly head: 'auto' | 'replicated' | 'phantom' | 'gather';
  /** Run, checkpoint or model folder to take the network and its first weights from. */
  readonly from: string | null;

  /**
   * Fashion-10k, fashion-mnist, steam, synthetic:teacher?…; a file, folder or pattern such as
   * 'trips/*.parquet' (CSV, TSV, JSON, Parquet; IDX, NPY, safetensors); or a query: "select … from
   * 'a.csv'". Default: fashion-10k.
   */
  readonly data: string;
  /**
   * Columns of a table to predict; default: the one called target, label or y, else the last. A
   * list of texts, as in a,b.
   */
  readonly target: readonly string[] | null;
  /** What a table is for; default: by the target, and the run says which. */
  readonly task: 'regress' | 'classify' | 'multilabel' | null;
  /** Columns of a table to leave out. A list of texts, as in a,b. */
  readonly ignore: readonly string[] | null;
  /**
   * Columns of numbers that are names of something: each value becomes a feature. A list of texts,
   * as in a,b.
   */
  readonly categorical: readonly string[] | null;
  /** Column that names the rows: not a feature, copied beside predictions. */
  readonly id: string | null;
  /**
   * Column that says how much each row counts, in the loss and in metrics; divided by its mean over
   * the training rows.
   */
  readonly weightColumn: string | null;
  /**
   * Whether a CSV file starts with names; auto: by its first rows, and the run says so. Default:
   * auto.
   */
  readonly header: 'auto' | 'yes' | 'no';
  /**
   * What 1,234 is in a CSV file: point: 1234, comma: 1.234; auto: refused where unclear. Default:
   * auto.
   */
  readonly decimal: 'auto' | 'point' | 'comma';
  /**
   * Gaps in features of a table: fill: by the median, marked by a feature; error: refused. Default:
   * fill.
   */
  readonly missing: 'fill' | 'error';
  /**
   * Make each number of a table up to n features, piecewise linear between quantiles of the
   * training rows; 0: one feature; n is 0 or from 2 on. An integer from 0 to 1024. Default: 0.
   */
  readonly bins: number;
  /**
   * Rows of a table beyond this, for all processes of a machine, are kept in a file; default: half
   * of the free memory. A number above 0, alone or with kB, MB, GB.
   */
  readonly dataMemory: number | null;
  /** Where that file is kept; default: the folder for temporary files. */
  readonly dataCache: string | null;
  /**
   * Scale features to mean 0 and variance 1, as measured on the training rows; auto: tables and
   * images. Default: auto.
   */
  readonly standardize: 'auto' | 'on' | 'off';
  /**
   * Rows to validate on: a fraction (0.2 or 20%), a second file; 0: none. A fraction of at least 0
   * and below 1, as 0.2 or 20%, or a path.
   */
  readonly validation: number | string | null;
  /**
   * Visit the rows in a new order in each epoch; false: in the order of the file. Default: true.
   */
  readonly shuffle: boolean;

  /** Samples per step and replica. An integer from 1 to 16777216. Default: 128. */
  readonly batch: number;
  /** Micro-batches per step; they divide the batch. An integer from 1 to 16777216. Default: 1. */
  readonly accumulate: number;
  /** Length of the run in steps; not with epochs. An integer of at least 1. */
  readonly steps: number | null;
  /** Length of the run in passes over the data; not with steps. An integer of at least 1. */
  readonly epochs: number | null;
  /** What is minimized; mae, huber, quantile and poisson are of numbers. */
  readonly loss:
    | 'mse'
    | 'mae'
    | 'huber'
    | 'quantile'
    | 'poisson'
    | 'binary-cross-entropy'
    | 'cross-entropy'
    | null;
  /**
   * Error up to which huber is a square, in standard deviations of the target where it is
   * standardized. A number above 0. Default: 1.
   */
  readonly huberDelta: number;
  /**
   * What quantile predicts: each target has an output for each of them. A list of numbers above 0
   * and below 1, as in 1e-3,3e-3. Default: 0.1,0.5,0.9.
   */
  readonly quantiles: readonly number[];
  /**
   * How much rows of each class count in training; balanced: all classes the same together; divided
   * by the mean over the training rows.
   */
  readonly classWeights: string | null;
  /**
   * Share of each label that is spread over all classes. A number of at least 0 and below 1.
   * Default: 0.
   */
  readonly labelSmoothing: number;
  /**
   * Stop when the validation loss, or without validation the training loss, is at most this. A
   * number of at least 0.
   */
  readonly targetLoss: number | null;
  /** Seed of weights, order of rows and synthetic data. An integer of at least 0. Default: 0. */
  readonly seed: number;
  /** Steps between validations. An integer of at least 1. */
  readonly validateEvery: number | null;
  /**
   * Stop after so many validations in a row without a better one (see best-by). An integer of at
   * least 1.
   */
  readonly earlyStopping: number | null;

  /** How weights are updated; momentum is Nesterov's form. Default: adam. */
  readonly optimizer: 'sgd' | 'momentum' | 'adam' | 'adamw';
  /** Learning rate; the best one differs between strategies. A number above 0. Default: 0.001. */
  readonly lr: number;
  /**
   * Learning rate after the warmup; linear and cosine fall to zero; plateau falls when validations
   * get no better. Default: constant.
   */
  readonly schedule: 'constant' | 'linear' | 'cosine' | 'plateau';
  /**
   * Step at which linear and cosine reach zero; a longer run stays there. An integer of at least 1.
   */
  readonly scheduleSteps: number | null;
  /**
   * What schedule plateau multiplies the learning rate by. A number above 0 and below 1. Default:
   * 0.5.
   */
  readonly plateauFactor: number;
  /**
   * Validations in a row without a better one before it does. An integer of at least 1. Default: 3.
   */
  readonly plateauPatience: number;
  /**
   * Keep a moving average of the weights, as in 0.999; validation, the best checkpoint and what is
   * opened of a run use it. A number above 0 and below 1.
   */
  readonly ema: number | null;
  /**
   * Steps in which the learning rate rises from zero to lr. An integer of at least 0. Default: 0.
   */
  readonly warmup: number;
  /**
   * Weight decay; decoupled for adamw, else added to the gradient. A number of at least 0. Default:
   * 0.
   */
  readonly weightDecay: number;
  /** Largest global gradient norm; longer gradients are scaled down. A number above 0. */
  readonly clipNorm: number | null;
  /** Factor of the optimizer momentum. A number of at least 0 and below 1. Default: 0.9. */
  readonly momentum: number;
  /**
   * Decay of the first moment, adam and adamw. A number of at least 0 and below 1. Default: 0.9.
   */
  readonly beta1: number;
  /**
   * Decay of the second moment, adam and adamw. A number of at least 0 and below 1. Default: 0.999.
   */
  readonly beta2: number;
  /** Added to the denominator, adam and adamw. A number above 0. Default: 1e-8. */
  readonly epsilon: number;

  /** Worker threads per replica; they divide the blocks. An integer from 1 to 1024. */
  readonly ranks: number;
  /**
   * Data-parallel copies of all ranks, R × D worker threads in all; each takes its own batch. An
   * integer from 1 to 256. Default: 1.
   */
  readonly replicas: number;
  /**
   * What computes; auto: blas where this machine has it, else wasm; cuda has never run on a GPU.
   * Default: auto.
   */
  readonly engine: 'auto' | 'blas' | 'wasm' | 'cuda';
  /**
   * GPUs of engine cuda, by UUID or as the driver counts them from 0: a machine's ranks take them
   * in turn, and without --ranks each has one rank. A list of numbers from 0 to 1023 and of UUIDs
   * or how they begin, as in 0,GPU-8932f937.
   */
  readonly devices: readonly (number | string)[] | null;
  /**
   * Auto: on machines with several NUMA nodes, and as many ranks or more, keep the thread of each
   * rank, with its memory, on one node; MPI leaves it to the launcher. Default: auto.
   */
  readonly bind: 'auto' | 'none';
  /**
   * Use fused multiply-add in the WebAssembly kernels: faster before Node 24, with results that
   * differ between CPUs. Default: false.
   */
  readonly relaxedSimd: boolean;
  /**
   * Seconds that a collective waits for missing ranks; 0: without limit. A number of at least 0.
   * Default: 60.
   */
  readonly timeout: number;

  /**
   * What measures energy; auto: an energy counter of this machine, or else a model, labeled
   * modelled. Default: auto.
   */
  readonly meter: 'auto' | 'rapl' | 'hwmon' | 'nvml' | 'rocm' | 'modelled' | 'none';
  /** Machine file with the watts for modelled energy. Default: default. */
  readonly machine: string;
  /**
   * Grams of CO₂ equivalent per kWh of electricity; the default is the world average of 2024
   * (Ember, 2025). A number of at least 0. Default: 473.
   */
  readonly carbonIntensity: number;
  /**
   * Energy of the data center / energy of its computers; the default is the mean of a survey
   * (Uptime Institute, 2024). A number of at least 1. Default: 1.56.
   */
  readonly pue: number;

  /** Steps between entries of metrics.jsonl. An integer of at least 1. Default: 10. */
  readonly logEvery: number;
  /** Steps between checkpoints. An integer of at least 1. */
  readonly checkpointEvery: number | null;
  /** Newest checkpoints to keep, besides that of step 0 and the best. An integer of at least 1. */
  readonly keepCheckpoints: number | null;
  /**
   * Which validation is the best; its checkpoint is checkpoints/best, which eval, predict, serve,
   * export and compress open; none: the last is. Default: loss.
   */
  readonly bestBy:
    | 'loss'
    | 'rmse'
    | 'mae'
    | 'r2'
    | 'accuracy'
    | 'exact'
    | 'top5'
    | 'macroF1'
    | 'rocAuc'
    | 'logLoss'
    | null;
  /** Run folder. */
  readonly out: string | null;
}
