import type { Activation } from '../engines/engine.js';
import type { MeterChoice } from '../energy/meter.js';
import type { Strategy } from '../model/specification.js';
import type { OptimizerName } from '../optimizers/optimizer.js';
import type { GhostPrecision } from '../tensor/precision.js';
import type { ScheduleName } from '../optimizers/schedule.js';

export type EngineChoice = 'auto' | 'blas' | 'wasm';
export type LossName = 'mse' | 'cross-entropy';

/**
 * Settings of a training run, with every default filled in. A config file has the same keys; a
 * flag is the key in kebab-case. `null`: not set, or decided by the data.
 */
export interface TrainingSettings {
  readonly strategy: Strategy;
  readonly width: number;
  readonly depth: number;
  readonly blocks: number;
  readonly ghosts: number;
  /** Ghosts of each hidden layer; `ghosts` is the largest. null: all have `ghosts`. */
  readonly layerGhosts: readonly number[] | null;
  readonly ghostPrecision: GhostPrecision;
  /** Micro-batches of a step use different numbers of ghosts: see `NestedGhosts`. */
  readonly nestedGhosts: boolean;
  readonly activation: Activation;
  /** `auto`: sharded where features and targets are as wide as the layers and the loss is mse. */
  readonly ends: 'auto' | 'replicated' | 'sharded';
  /** Run, checkpoint or model folder to begin with, of the same network; null: random weights. */
  readonly from: string | null;

  /** Of one replica. */
  readonly ranks: number;
  /** Data-parallel replicas of the ranks; each has its own `batch` samples of a step. */
  readonly replicas: number;
  readonly engine: EngineChoice;
  /** Fused multiply-add in the WebAssembly kernels: faster, and not the same on every CPU. */
  readonly relaxedSimd: boolean;
  /** Seconds that a collective waits for missing ranks; 0: for ever. */
  readonly timeout: number;

  /** What measures the energy; `auto`: a counter of the machine, or else the model. */
  readonly meter: MeterChoice;
  /** Name or file of the machine whose constants model energy. */
  readonly machine: string;
  /** Grams of CO₂ equivalent a kWh of electricity. */
  readonly carbonIntensity: number;
  /** Energy of the data centre over that of its computers. */
  readonly pue: number;

  readonly data: string;
  /** `auto`: images are standardised, numeric files are used as they are. */
  readonly standardize: 'auto' | 'on' | 'off';
  /** A fraction of the rows, or the path of a second file; null: the data's own part, if any. */
  readonly validation: number | string | null;
  /** Steps between validations; null: once an epoch, and at the end. */
  readonly validateEvery: number | null;
  readonly shuffle: boolean;
  readonly seed: number;

  /** Samples a step, in `accumulate` micro-batches. */
  readonly batch: number;
  readonly accumulate: number;
  /** One of the two is set. */
  readonly steps: number | null;
  readonly epochs: number | null;
  /** null: cross-entropy for labels, mse for numbers. */
  readonly loss: LossName | null;
  readonly targetLoss: number | null;

  readonly optimizer: OptimizerName;
  readonly lr: number;
  readonly schedule: ScheduleName;
  /** Steps. */
  readonly warmup: number;
  readonly momentum: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** null: no clipping. */
  readonly clipNorm: number | null;

  readonly logEvery: number;
  /** Steps between checkpoints; null: the first and the last only. */
  readonly checkpointEvery: number | null;
  /** Newest checkpoints to keep, besides that of step 0; null: all. */
  readonly keepCheckpoints: number | null;
  /** Run folder; null: a new one under `runs/`. */
  readonly out: string | null;
}

/** Whether two values of a key are the same. */
export function sameSetting(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
