import type { Operator } from '../autograd/operator.js';
import { Tape } from '../autograd/tape.js';
import type { Communicator } from '../communicators/communicator.js';
import { PHASE, type PhaseClock } from '../base/phases.js';
import type { Engine } from '../engines/engine.js';
import { TrainingError } from '../base/errors.js';
import type { FeedForward } from '../model/network.js';
import { treeSum } from '../layers/block-sum.js';
import { clippingScale } from '../optimizers/clipping.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { GradientBuckets } from './gradient-buckets.js';
import type { NestedGhosts } from '../model/nested-ghosts.js';
import type { Objective } from './objective.js';
import type { Batch, BatchReader } from '../data/loader/batches.js';

/** What one optimiser step came to; the same on every rank. */
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

export interface StepperOptions {
  readonly engine: Engine;
  readonly communicator: Communicator;
  /** The rank's clock: what its time goes to. */
  readonly phases: PhaseClock;
  /** All ranks of all replicas, for agreement on loss, norm and stopping. */
  readonly control: Communicator;
  /** The ranks with the same blocks in the other replicas; null: there is one replica. */
  readonly replicas: Replicas | null;
  readonly network: FeedForward;
  readonly objective: Objective;
  readonly optimizer: Optimizer;
  /** Ghosts of each micro-batch; null: always all. */
  readonly nestedGhosts: NestedGhosts | null;
  readonly batches: BatchReader;
  /** Samples in a step of one replica, and micro-batches they come in. */
  readonly batchSize: number;
  readonly microBatches: number;
  readonly clipNorm: number | null;
  readonly stopRequested: () => boolean;
}

/** Data parallelism: replicas of the group that holds the network, each on its own samples. */
export interface Replicas {
  readonly index: number;
  readonly count: number;
  /** Carries the sums of gradients. */
  readonly communicator: Communicator;
}

/**
 * Runs training steps and validation passes on one rank. Ranks agree on loss, stop request and
 * gradient norm through small all-reduces beside those of the network; the one for the loss is
 * under way during the backward pass.
 */
export class Stepper {
  readonly #options: StepperOptions;
  readonly #tape: Tape;
  readonly #result: StepResult = {
    loss: 0,
    accuracy: 0,
    gradientNorm: Number.NaN,
    stop: false,
    dataWaitS: 0,
  };
  /** Loss sum, correct columns, stop requests. */
  readonly #agreement = new Float64Array(3);
  readonly #buckets: GradientBuckets | null;
  readonly #sumGradients: ((operator: Operator) => void) | undefined;
  /** Samples in a step of all replicas. */
  readonly #samples: number;
  readonly #squares: Float64Array;
  readonly #blockSquares: Float64Array;
  readonly #norm = new Float64Array(1);
  readonly #lossSums: Float64Array;

  constructor(options: StepperOptions) {
    this.#options = options;
    const { engine, communicator, network, replicas } = options;
    this.#tape = new Tape(engine, communicator, options.phases);
    this.#buckets = replicas && new GradientBuckets(engine, network, replicas.communicator);
    this.#sumGradients = this.#buckets?.start.bind(this.#buckets);
    this.#samples = options.batchSize * (replicas?.count ?? 1);
    this.#squares = new Float64Array(options.network.parameters.length);
    this.#blockSquares = new Float64Array(options.network.layout.blocksHere);
    this.#lossSums = new Float64Array(options.objective.loss.reading.blockSums.length);
  }

  /**
   * One optimiser step on the next batch.
   *
   * @param step steps done before this one
   * @param withNorm whether the gradient's norm is wanted although nothing is clipped
   * @throws TrainingError when the loss is not finite; nothing has been updated then
   */
  step(step: number, learningRate: number, withNorm: boolean): StepResult {
    const { network, objective, optimizer, microBatches, clipNorm, nestedGhosts } = this.#options;
    const result = this.#result;
    result.dataWaitS = 0;
    for (const parameter of network.parameters) parameter.clearGradient();

    this.#lossSums.fill(0);
    let correct = 0;
    for (let microBatch = 1; microBatch <= microBatches; microBatch++) {
      if (nestedGhosts) network.useGhosts(nestedGhosts.at(step, microBatch - 1));
      const loss = this.#forward(this.#next('training'));
      this.#addLoss();
      correct += objective.loss.reading.correct;
      const isLast = microBatch === microBatches;
      const agreement = isLast ? this.#startAgreement(correct, true) : null;
      this.#tape.backward(loss, undefined, isLast ? this.#sumGradients : undefined);
      agreement?.wait();
    }
    this.#buckets?.finish();
    result.loss = (this.#agreement[0] ?? 0) * objective.loss.scale;
    result.accuracy = (this.#agreement[1] ?? 0) / this.#samples;
    result.stop = (this.#agreement[2] ?? 0) > 0;
    if (!Number.isFinite(result.loss)) this.#explain(`step ${step + 1}`, result.loss);

    this.#options.phases.enter(PHASE.optimizer);
    let scale = 1;
    if (clipNorm !== null) {
      for (const [i, parameter] of network.parameters.entries()) {
        this.#squares[i] = this.#options.engine.sumOfSquares(parameter.computedGradient);
      }
      result.gradientNorm = this.#gradientNorm();
      scale = clippingScale(result.gradientNorm, clipNorm);
    }
    optimizer.step(step + 1, learningRate, scale, this.#squares);
    if (clipNorm === null) {
      result.gradientNorm = withNorm ? this.#gradientNorm() : Number.NaN;
    }
    this.#options.engine.synchronize();
    this.#options.phases.enter(PHASE.other);
    return result;
  }

  /** Mean loss and accuracy over the validation batches that come next; of nested ghosts, with
   * all of them.
   * @throws TrainingError when the loss is not finite */
  validate(rows: number): { loss: number; accuracy: number } {
    const { objective, network, nestedGhosts } = this.#options;
    const { loss } = objective;
    if (nestedGhosts) network.useGhosts(nestedGhosts.ghosts);
    this.#lossSums.fill(0);
    let correct = 0;
    for (let done = 0; done < rows;) {
      const batch = this.#next('validation');
      loss.validColumns = batch.validColumns;
      this.#forward(batch);
      this.#addLoss();
      correct += loss.reading.correct;
      done += batch.validColumns;
    }
    loss.validColumns = this.#options.batchSize / this.#options.microBatches;
    this.#startAgreement(correct, this.#isFirstReplica).wait();
    const [lossSum = 0, correctSum = 0] = this.#agreement;
    if (!Number.isFinite(lossSum)) this.#explain('validation', lossSum);
    return {
      loss: lossSum * loss.scale * (this.#samples / rows),
      accuracy: correctSum / rows,
    };
  }

  #next(kind: Batch['kind']): Batch {
    this.#options.phases.enter(PHASE.data);
    const before = performance.now();
    const batch = this.#options.batches.next();
    this.#result.dataWaitS += (performance.now() - before) / 1000;
    if (batch === null || batch.kind !== kind) {
      throw new TrainingError('batches', `expected a ${kind} batch, got ${batch?.kind ?? 'none'}`);
    }
    return batch;
  }

  #forward(batch: Batch) {
    const { network, objective } = this.#options;
    objective.read(batch);
    this.#options.phases.enter(PHASE.other);
    this.#tape.begin();
    const output = network.forward(this.#tape, objective.x);
    return this.#tape.apply(objective.loss, output, objective.y);
  }

  #addLoss(): void {
    const { blockSums } = this.#options.objective.loss.reading;
    for (const [j, sum] of blockSums.entries()) this.#lossSums[j] = (this.#lossSums[j] ?? 0) + sum;
  }

  /** Replicas hold the same weights: what is the same in all of them is counted in the first. */
  get #isFirstReplica(): boolean {
    return (this.#options.replicas?.index ?? 0) === 0;
  }

  /**
   * Starts the sum of losses, correct columns and stop requests. Of a loss that every rank of a
   * replica computes, the first rank's counts.
   *
   * @param counts whether this replica's samples count
   */
  #startAgreement(correct: number, counts: boolean) {
    const { control, communicator, objective, stopRequested } = this.#options;
    const isFirst = communicator.rank === 0;
    this.#agreement[0] = counts && (objective.sharded || isFirst) ? treeSum(this.#lossSums) : 0;
    this.#agreement[1] = counts && isFirst ? correct : 0;
    this.#agreement[2] = stopRequested() ? 1 : 0;
    return control.startAllReduceSum(this.#agreement);
  }

  /** From Σ gradient² of each parameter: summed within blocks, then by the tree over blocks. */
  #gradientNorm(): number {
    const { network, control } = this.#options;
    this.#blockSquares.fill(0);
    for (const [i, { block }] of network.parameters.entries()) {
      const j = block - network.layout.firstBlock;
      this.#blockSquares[j] = (this.#blockSquares[j] ?? 0) + (this.#squares[i] ?? 0);
    }
    this.#norm[0] = this.#isFirstReplica ? treeSum(this.#blockSquares) : 0;
    control.allReduceSum(this.#norm);
    return Math.sqrt(this.#norm[0]);
  }

  /** Ends the run with the first tensor that is not finite, in the order of computation. */
  #explain(where: string, loss: number): never {
    const { engine, network, objective, control } = this.#options;
    const candidates = [
      { name: 'the input batch', tensor: objective.x.value },
      { name: 'the target batch', tensor: objective.y.value },
      ...network.parameters.map(({ name, value }) => ({
        name: `the weights ${name}`,
        tensor: value,
      })),
      ...this.#tape.outputs().map(({ operator, output }) => ({
        name: `the output of ${operator.name}`,
        tensor: output.value,
      })),
    ];
    const first = candidates.findIndex(
      ({ tensor }) => !Number.isFinite(engine.sumOfSquares(tensor)),
    );
    const everyones = new Float32Array(control.size);
    control.allGather(Float32Array.of(first < 0 ? candidates.length : first), everyones);
    // Ranks may hold different numbers of tensors (the head's bias): the earliest position wins.
    const earliest = Math.min(...everyones);
    if (everyones.indexOf(earliest) !== control.rank) control.barrier();
    const name = candidates[first]?.name ?? 'the loss itself';
    throw new TrainingError(
      'training',
      `the loss of ${where} is ${loss}; the first tensor that is not finite is ${name}; ` +
        'try a smaller --lr, a --warmup or --clip-norm',
    );
  }
}
