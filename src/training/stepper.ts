import type { Operator } from '../autograd/operator.js';
import type { Communicator, PendingCollective } from '../communicators/communicator.js';
import { PHASE } from '../base/phases.js';
import { ACTIVITY } from '../base/step-trace.js';
import type { Slots } from '../engines/engine.js';
import { treeSum } from '../layers/block-sum.js';
import { clippingScale } from '../optimizers/clipping.js';
import type { WeightAverage } from '../optimizers/weight-average.js';
import type { DropoutDraws } from '../layers/dropout/draws.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { GradientBuckets } from './gradient-buckets.js';
import type { Tensor } from '../tensor/tensor.js';
import type { NestedGhosts } from '../model/nested-ghosts.js';
import type { LossPass } from './loss-pass.js';

/** What one optimizer step came to; the same on every rank. */
export interface StepResult {
  /** Mean over the batch (and the features, for squared error). */
  loss: number;
  /** Share of the batch classified correctly; NaN where the loss has no notion of it. */
  accuracy: number;
  /** Euclidean norm of the whole network's gradient; NaN unless it was asked for or needed. */
  gradientNorm: number;
  /** Whether any rank was asked to stop. */
  stop: boolean;
  /** Seconds this rank waited for batches. */
  dataWaitS: number;
}

/** What a stepper is made of. */
export interface StepperOptions {
  readonly pass: LossPass;
  readonly optimizer: Optimizer;
  /** The ranks with the same blocks in the other replicas; null, the default: one replica. */
  readonly replicas?: Replicas | null;
  /** Parts that the samples of a step come in. Default: one. */
  readonly microBatches?: number;
  /** Ghosts of each micro-batch; null, the default: all. */
  readonly nestedGhosts?: NestedGhosts | null;
  /** Of each step and micro-batch; null, the default: nothing is dropped. */
  readonly dropout?: DropoutDraws | null;
  /** Of the weights, brought up to date after each step; null, the default: none. */
  readonly average?: WeightAverage | null;
  /** Longest gradient; null, the default: any. */
  readonly clipNorm?: number | null;
  /** Whether this rank was asked to stop. Default: never. */
  readonly stopRequested?: () => boolean;
}

/** Data parallelism: replicas of the group that holds the network, each on its own samples. */
export interface Replicas {
  readonly index: number;
  readonly count: number;
  /** Carries the sums of gradients. */
  readonly communicator: Communicator;
}

/**
 * Runs training steps on one rank. Ranks agree on loss, stop request and gradient norm through small
 * all-reduces beside those of the network; the one for the loss is under way during the backward
 * pass. On an asynchronous engine the backward pass is called first, so that the device has work while
 * the loss is waited for; that pass then hides no agreement. The engine is read for the loss of each
 * micro-batch, and once for squares where the norm is wanted or needed.
 */
export class Stepper {
  readonly #options: Required<StepperOptions>;
  readonly #result: StepResult = {
    loss: 0,
    accuracy: 0,
    gradientNorm: Number.NaN,
    stop: false,
    dataWaitS: 0,
  };
  readonly #buckets: GradientBuckets | null;
  readonly #sumGradients: ((operator: Operator) => void) | undefined;
  /** Σ gradient² of each parameter, before clipping. */
  readonly #squares: Slots;
  readonly #blockSquares: Float64Array;
  /** Of the parameters, which have them from the first backward pass on. */
  #gradients: readonly Tensor[] | null = null;
  readonly #norm = new Float64Array(1);

  constructor(options: StepperOptions) {
    const { pass, replicas = null } = options;
    this.#options = {
      microBatches: 1,
      nestedGhosts: null,
      dropout: null,
      average: null,
      clipNorm: null,
      stopRequested: () => false,
      ...options,
      replicas,
    };
    const { engine, network } = pass.parts;
    this.#buckets = replicas && new GradientBuckets(engine, network, replicas.communicator);
    this.#sumGradients = this.#buckets?.start.bind(this.#buckets);
    this.#squares = engine.slots(network.parameters.length);
    this.#blockSquares = new Float64Array(network.layout.blocksHere);
  }

  /**
   * One optimizer step on the next batch.
   *
   * @param step steps done before this one
   * @param withNorm whether the gradient's norm is wanted although nothing is clipped
   * @throws TrainingError when the loss is not finite; nothing has been updated then
   */
  step(step: number, learningRate: number, withNorm: boolean): StepResult {
    const { pass, optimizer, microBatches, clipNorm, nestedGhosts, dropout } = this.#options;
    const { engine, network, objective, phases } = pass.parts;
    const result = this.#result;
    for (const parameter of network.parameters) parameter.clearGradient();

    pass.begin();
    for (let microBatch = 1; microBatch <= microBatches; microBatch++) {
      if (dropout) this.#drop(dropout, step, microBatch - 1);
      if (nestedGhosts) network.useGhosts(nestedGhosts.at(step, microBatch - 1));
      const loss = pass.forward('training');
      const isLast = microBatch === microBatches;
      const early = engine.asynchronous ? null : this.#agree(isLast);
      phases.beginPass(ACTIVITY.backward);
      pass.tape.backward(loss, undefined, isLast ? this.#sumGradients : undefined);
      const agreement = engine.asynchronous ? this.#agree(isLast) : early;
      agreement?.wait();
      phases.beginPass(ACTIVITY.other);
    }
    this.#buckets?.finish();
    result.loss = pass.lossSum * objective.loss.scale;
    result.accuracy = pass.correct / objective.samples;
    result.stop = pass.stop;
    result.dataWaitS = pass.dataWaitS;
    if (!Number.isFinite(result.loss)) pass.explain(`step ${step + 1}`, result.loss);

    phases.enter(PHASE.optimizer);
    let scale = 1;
    if (clipNorm !== null) {
      this.#gradients ??= network.parameters.map((parameter) => parameter.computedGradient);
      engine.sumsOfSquares(this.#gradients, this.#squares, 0);
      result.gradientNorm = this.#gradientNorm(this.#squares);
      scale = clippingScale(result.gradientNorm, clipNorm);
    }
    optimizer.step(step + 1, learningRate, scale);
    this.#options.average?.update(step);
    if (clipNorm === null) {
      result.gradientNorm = withNorm ? this.#gradientNorm(optimizer.squares) : Number.NaN;
    }
    phases.enter(PHASE.other);
    return result;
  }

  /** Adds the losses of a micro-batch to the step's; after the last one, starts the agreement on them. */
  #agree(isLast: boolean): PendingCollective | null {
    const { pass, stopRequested } = this.#options;
    pass.addLosses();
    return isLast ? pass.startAgreement(true, stopRequested()) : null;
  }

  /** Replicas take samples of a step one after another, and their micro-batches likewise. */
  #drop(draws: DropoutDraws, step: number, microBatch: number): void {
    const { pass, replicas, microBatches } = this.#options;
    const { network, objective } = pass.parts;
    const columns = objective.x.value.shape[1] ?? 1;
    draws.step = step;
    draws.firstSample = ((replicas?.index ?? 0) * microBatches + microBatch) * columns;
    network.useDropout(draws);
  }

  /** From Σ gradient² of each parameter: summed within blocks, then by the tree over blocks. */
  #gradientNorm(slots: Slots): number {
    const { pass, replicas } = this.#options;
    const { engine, control, network } = pass.parts;
    const { parameters, layout } = network;
    const squares = engine.read(slots);
    this.#blockSquares.fill(0);
    for (const [i, { block }] of parameters.entries()) {
      const j = block - layout.firstBlock;
      this.#blockSquares[j] = (this.#blockSquares[j] ?? 0) + (squares[i] ?? 0);
    }
    // Replicas hold the same weights: what is the same in all of them is counted in the first.
    const isFirstReplica = (replicas?.index ?? 0) === 0;
    this.#norm[0] = isFirstReplica ? treeSum(this.#blockSquares) : 0;
    control.allReduceSum(this.#norm);
    return Math.sqrt(this.#norm[0]);
  }
}
