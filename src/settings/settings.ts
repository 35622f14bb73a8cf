// Made from keys.ts by `npm run generate`; a change belongs there.

/**
 * Settings of a training run, with every default filled in. A config file has the same keys; a
 * flag is the key in kebab-case. null: not set, or decided by the data.
 */
export interface TrainingSettings {
  /**
   * How layers are split over blocks; tensor-paired: one all-reduce for two layers. Default:
   * phantom.
   */
  readonly strategy: 'phantom' | 'tensor' | 'tensor-paired';
  /**
   * Width of the hidden layers; the blocks divide it. An integer from 1 to 1048576. Default: 1024.
   */
  readonly width: number;
  /** Hidden layers of that width. An integer from 1 to 10000. Default: 2. */
  readonly depth: number;
  /**
   * Blocks that a layer is split into; two or more for phantom. An integer from 1 to 65536.
   * Default: 4.
   */
  readonly blocks: number;
  /**
   * Numbers that a block sends of a sample, phantom only; at most width / blocks. An integer from 1
   * to 1048576. Default: 16.
   */
  readonly ghosts: number;
  /**
   * Ghosts of each hidden layer, where they differ; a compressed model brings its own. A list of
   * integers from 1 to 1048576, as in 4,16.
   */
  readonly layerGhosts: readonly number[] | null;
  /**
   * Train so that the first K' ghosts of every block work for every K'; micro-batches use K, 1 and
   * drawn numbers of ghosts (accumulate is then 4 unless given). Default: false.
   */
  readonly nestedGhosts: boolean;
  /** How ghosts travel between ranks, phantom only; sums stay float32. Default: float32. */
  readonly ghostPrecision: 'float32' | 'bfloat16' | 'int8';
  /** After every linear layer but the last; gelu is the exact form. Default: relu. */
  readonly activation: 'relu' | 'gelu' | 'silu' | 'tanh' | 'identity';
  /**
   * Replicated: input and head layers of any width around the hidden ones; sharded: features and
   * targets as wide as they are, and mse; auto: sharded where that fits. Default: auto.
   */
  readonly ends: 'auto' | 'replicated' | 'sharded';
  /**
   * Begin with the network and weights of a run, checkpoint or model folder, as to heal one that
   * was compressed.
   */
  readonly from: string | null;

  /**
   * Fashion-10k, fashion-mnist, synthetic:teacher?…, or a file or folder (IDX, CSV, NPY, Parquet,
   * safetensors). Default: fashion-10k.
   */
  readonly data: string;
  /** Zero mean and unit variance, fitted on the training part; auto: images only. Default: auto. */
  readonly standardize: 'auto' | 'on' | 'off';
  /**
   * Share of the rows, or a second file; without it the data's own part, if any. A fraction above 0
   * and below 1, or a path.
   */
  readonly validation: number | string | null;
  /**
   * Visit the rows of each epoch in a new order; false: in the order of the file. Default: true.
   */
  readonly shuffle: boolean;

  /** Samples of a step, of each replica. An integer from 1 to 16777216. Default: 128. */
  readonly batch: number;
  /**
   * Micro-batches that a step is computed in; they divide the batch. An integer from 1 to 16777216.
   * Default: 1.
   */
  readonly accumulate: number;
  /** Length of the run in steps; excludes epochs. An integer of at least 1. */
  readonly steps: number | null;
  /**
   * Length of the run in passes over the data; 5 when neither is given. An integer of at least 1.
   */
  readonly epochs: number | null;
  /** Without it cross-entropy for labels, mse for numbers. */
  readonly loss: 'mse' | 'cross-entropy' | null;
  /**
   * Stop when a loss is this or less: the validation loss, or without one the training loss. A
   * number of at least 0.
   */
  readonly targetLoss: number | null;
  /** Of weights, order and synthetic data. An integer of at least 0. Default: 0. */
  readonly seed: number;
  /**
   * Steps between validations; without it once an epoch, and at the end. An integer of at least 1.
   */
  readonly validateEvery: number | null;

  /** Momentum is Nesterov's form. Default: adam. */
  readonly optimizer: 'sgd' | 'momentum' | 'adam' | 'adamw';
  /** Learning rate; the best one differs between strategies. A number above 0. Default: 0.001. */
  readonly lr: number;
  /** Learning rate after the warm-up; linear and cosine fall to zero. Default: constant. */
  readonly schedule: 'constant' | 'linear' | 'cosine';
  /**
   * Steps over which the learning rate rises to its value. An integer of at least 0. Default: 0.
   */
  readonly warmup: number;
  /** Decoupled for adamw, else added to the gradient. A number of at least 0. Default: 0. */
  readonly weightDecay: number;
  /** Largest global norm of a gradient; longer ones are scaled down. A number above 0. */
  readonly clipNorm: number | null;
  /** Of the optimizer momentum. A number of at least 0 and below 1. Default: 0.9. */
  readonly momentum: number;
  /** Of adam and adamw. A number of at least 0 and below 1. Default: 0.9. */
  readonly beta1: number;
  /** Of adam and adamw. A number of at least 0 and below 1. Default: 0.999. */
  readonly beta2: number;
  /** Of adam and adamw. A number above 0. Default: 1e-8. */
  readonly epsilon: number;

  /**
   * Worker threads that host the blocks, and divide them; without it as many as have a core. An
   * integer from 1 to 1024.
   */
  readonly ranks: number;
  /**
   * Data-parallel replicas of the ranks, D × R worker threads; each takes a batch of its own. An
   * integer from 1 to 256. Default: 1.
   */
  readonly replicas: number;
  /** What computes; auto: the fastest that is there. Default: auto. */
  readonly engine: 'auto' | 'blas' | 'wasm';
  /**
   * Fused multiply-add in the WebAssembly kernels; results then differ between CPUs. Default:
   * false.
   */
  readonly relaxedSimd: boolean;
  /**
   * How long a collective waits for missing ranks; 0: for ever. A number of at least 0. Default:
   * 60.
   */
  readonly timeout: number;

  /**
   * What measures energy; auto: a counter of the machine that may be read, else the model, which is
   * labelled so. Default: auto.
   */
  readonly meter: 'auto' | 'rapl' | 'hwmon' | 'nvml' | 'rocm' | 'modelled' | 'none';
  /** Machine file with the watts of the modelled energy. Default: default. */
  readonly machine: string;
  /**
   * CO₂ equivalent of electricity; the default is the world in 2024 (Ember, 2025). A number of at
   * least 0. Default: 473.
   */
  readonly carbonIntensity: number;
  /**
   * Energy of the data centre over that of its computers; the default is the mean of a survey
   * (Uptime Institute, 2024). A number of at least 1. Default: 1.56.
   */
  readonly pue: number;

  /** Steps between entries of metrics.jsonl. An integer of at least 1. Default: 10. */
  readonly logEvery: number;
  /**
   * Steps between checkpoints; without it the first and the last only. An integer of at least 1.
   */
  readonly checkpointEvery: number | null;
  /**
   * Newest checkpoints to keep, besides that of step 0; without it all. An integer of at least 1.
   */
  readonly keepCheckpoints: number | null;
  /** Run folder; without it a new one under runs/. */
  readonly out: string | null;
}
